"""A line of an import to a row of the registry: pure, and the hot path of an import (4 µs a line)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

from shared.contracts.targets import target_hash

MAX_LINE = 8192
"""Bytes: a target has some 200, a user id up to 256; the rest is room for what later versions register."""
MAX_SKIPPED = 1_048_576
"""Bytes of one overlong line that are read past; beyond, the body is no NDJSON and reading on would be for nothing."""

UserId = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
STRICT = ConfigDict(extra="forbid", strict=True)


@with_config(STRICT)
@dataclass(slots=True)
class Target:
    """Where FCM finds the device: a registration token, or an installation id."""

    kind: Literal["token", "fid"]
    value: Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[\x21-\x7e]+$")]


@with_config(STRICT)
@dataclass(slots=True)
class DeviceLine:
    """One line of an import."""

    user_id: UserId
    platform: Literal["android", "ios", "web"]
    target: Target
    project: Annotated[str, Field(max_length=63)] = "default"


LINE = TypeAdapter(DeviceLine)


class DeviceRow(NamedTuple):
    """What the registry keeps of a device."""

    hash: bytes
    user_id: str
    platform: str
    kind: str
    target: str
    project: str


class OverlongLineError(Exception):
    """Raised when a line goes on past `MAX_SKIPPED`."""


class Lines:
    """Cuts a stream of bytes into lines; holds no more than one piece and the beginning of one line."""

    def __init__(self) -> None:
        self._tail = b""
        self._skipped = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that end in this piece; one that is longer than `MAX_LINE` comes cut, and still too long."""
        lines = (self._tail + piece).split(b"\n")
        self._tail = lines.pop()
        if lines:
            self._skipped = 0
        excess = len(self._tail) - MAX_LINE - 1
        if excess > 0:
            self._tail = self._tail[: MAX_LINE + 1]
            self._skipped += excess
            if self._skipped > MAX_SKIPPED:
                raise OverlongLineError
        return lines

    def rest(self) -> list[bytes]:
        """The last line, when it has no line break."""
        last, self._tail = self._tail, b""
        return [last] if last else []


def parse_line(line: bytes, projects: Collection[str]) -> DeviceRow | str:
    """The row of a line, or what is wrong with it."""
    if len(line) > MAX_LINE:
        return f"longer than {MAX_LINE} bytes"
    try:
        device = LINE.validate_json(line)
    except ValidationError as error:
        return _problem(error)
    if device.project not in projects:
        return f"project: there is no project '{device.project}'"
    target = device.target
    return DeviceRow(
        target_hash(target.kind, target.value),
        device.user_id,
        device.platform,
        target.kind,
        target.value,
        device.project,
    )


def _problem(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(_said(".".join(map(str, fault["loc"])), fault["type"], fault["msg"]) for fault in faults[:3])


def _said(place: str, kind: str, text: str) -> str:
    if kind == "json_invalid":
        return "not JSON: " + text.removeprefix("Invalid JSON: ")
    if kind in {"dict_type", "dataclass_type"} and not place:
        return "not a JSON object"
    said = {
        "missing": "is required",
        "unexpected_keyword_argument": "is an unknown field",
        "extra_forbidden": "is an unknown field",
        "string_pattern_mismatch": "holds characters that are not allowed: spaces, control characters, or not ASCII",
    }.get(kind)
    return f"{place} {said}" if said else f"{place}: {text[0].lower()}{text[1:]}"
