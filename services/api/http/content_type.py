"""What a route says about the type of the bodies that it takes."""

from fastapi import Depends, Request

from services.api.http.problems import MEDIA, ProblemError


async def _is_json(request: Request) -> None:
    """Refuse a body that does not say that it is JSON."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise ProblemError(MEDIA, f"Send the header `Content-Type: application/json`, not {media or 'none'}.")


is_json = Depends(_is_json)
"""In a route's `dependencies`: it takes JSON and nothing else."""

GZIP = frozenset({"gzip", "x-gzip"})
"""Names of the one encoding that streamed bodies may have."""
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
"""Names of JSON by lines that clients use; the first is the one to advise."""


def streamed_media(request: Request, *taken: str) -> str:
    """The type of a streamed body, one of `taken`; or the refusal of a type that this route does not read."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in taken:
        advised = " or ".join(f"`Content-Type: {name}`" for name in taken if name not in NDJSON[1:])
        raise ProblemError(MEDIA, f"Send lines with {advised}, not {media or 'none'}.")
    if encoding_of(request) not in {"identity", *GZIP}:
        raise ProblemError(MEDIA, "Send the lines as they are, or with `Content-Encoding: gzip`; no other is taken.")
    return media


def is_packed(request: Request) -> bool:
    """Whether a streamed body comes as gzip."""
    return encoding_of(request) in GZIP


def encoding_of(request: Request) -> str:
    """The Content-Encoding that a request names, in lower case."""
    return request.headers.get("content-encoding", "identity").strip().lower()
