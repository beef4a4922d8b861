"""The Debian mirror of this machine, from its own apt sources: none is named here."""

from collections.abc import Iterator
from pathlib import Path

_WEB = ("http://", "https://", "file:")


def mirror_of(apt: Path, codename: str) -> str | None:
    """Return the first mirror below `apt` (`/etc/apt`) that serves this release's own suite; None when none does."""
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    for file in files:
        if not file.is_file() or file.suffix not in {".list", ".sources"}:
            continue
        text = file.read_text(errors="replace")
        for uri, suite in _stanzas(text) if file.suffix == ".sources" else _lines(text):
            if suite == codename and uri.startswith(_WEB):
                return uri
    return None


def codename_of(os_release: str) -> str | None:
    """Return Debian's name of the release that `/etc/os-release` tells; None for any other system."""
    values = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    return values.get("VERSION_CODENAME", "").strip("\"'") or None if values.get("ID") == "debian" else None


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Give mirror and suite of each line `deb [options] URI SUITE COMPONENT…`."""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words[:1] != ["deb"]:
            continue
        rest = " ".join(words[1:])
        if rest.startswith("["):
            rest = rest.partition("]")[2]
        uri, suite, *_ = (*rest.split(), "", "")
        yield uri, suite


def _stanzas(text: str) -> Iterator[tuple[str, str]]:
    """Give each mirror and suite of the paragraphs of a `.sources` file (deb822)."""
    for paragraph in text.split("\n\n"):
        fields: dict[str, str] = {}
        name = ""
        for line in paragraph.splitlines():
            if line.startswith("#"):
                continue
            if not line[:1].isspace():
                name, _, line = line.partition(":")  # noqa: PLW2901 - what follows the name continues the value
            fields[name.lower()] = f"{fields.get(name.lower(), '')} {line}"
        if fields.get("enabled", "yes").strip().lower() == "no" or "deb" not in fields.get("types", "").split():
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield uri, suite
