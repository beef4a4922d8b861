"""A line of an import to a row of the registry: pure, and the hot path of an import (4 µs a line).

Most lines say who, where and nothing else: they are tried first, against the shape that is quickest. A line that also
tells what is known of the device costs 10 µs more.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from pydantic_core import to_json

from services.api.http.encoding import is_cp949, not_utf8
from shared.contracts.moments import Moment
from shared.contracts.targets import target_hash
from shared.contracts.traits import AppVersion, Attributes, Locale, TimeZone, version_order

MAX_LINE = 8192
"""Bytes: a target has some 200, a user id up to 256; the rest is room for what later versions register."""
MAX_SKIPPED = 1_048_576
"""Bytes of one overlong line that are read past; beyond, the body is no NDJSON and reading on would be for nothing."""

UserId = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
TargetValue = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[\x21-\x7e]+$")]
ProjectName = Annotated[str, Field(max_length=63)]
STRICT = ConfigDict(extra="forbid", strict=True)


@with_config(STRICT)
@dataclass(slots=True)
class Target:
    """Where FCM finds the device: a registration token, or an installation id."""

    kind: Literal["token", "fid"]
    value: TargetValue


@with_config(STRICT)
@dataclass(slots=True)
class AddressedLine:
    """Who is reached where."""

    user_id: UserId
    platform: Literal["android", "ios", "web"]
    target: Target


@with_config(STRICT)
@dataclass(slots=True)
class DeviceLine(AddressedLine):
    """One line of an import."""

    project: ProjectName = "default"


@with_config(STRICT)
@dataclass(slots=True)
class KnownDeviceLine(AddressedLine):
    """One line of an import, with what is known of the device; what is null stays as it is, and so what is absent.

    Only the project is `default` where it is absent, and stays as it is where it is null.
    """

    project: ProjectName | None = "default"
    locale: Locale | None = None
    time_zone: TimeZone | None = None
    app_version: AppVersion | None = None
    last_seen: Moment | None = None
    attributes: Attributes | None = None


LINE = TypeAdapter(DeviceLine)
KNOWN_LINE = TypeAdapter(KnownDeviceLine)


class Known(NamedTuple):
    """What the registry keeps of a device beside its target; None leaves it as it is, no attributes are `{}`.

    `attributes` is JSON; a null among them stays as it is, the others take the place of all there were.
    """

    locale: str | None
    time_zone: str | None
    app_version: str | None
    app_version_order: bytes | None
    last_seen: datetime | None
    attributes: str | None


class DeviceRow(NamedTuple):
    """What the registry keeps of a device; `known` None: the line says nothing more, and it names a project."""

    hash: bytes
    user_id: str
    platform: str
    kind: str
    target: str
    project: str | None
    known: Known | None = None


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
    except ValidationError:
        return _parse_known(line, projects)
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


def _parse_known(line: bytes, projects: Collection[str]) -> DeviceRow | str:
    try:
        device = KNOWN_LINE.validate_json(line)
    except ValidationError as error:
        return not_utf8(line) if is_cp949(line) else line_problem(error)
    return known_row(device, projects)


def known_row(device: KnownDeviceLine, projects: Collection[str]) -> DeviceRow | str:
    """The row of a device with all that is known of it."""
    if device.project is not None and device.project not in projects:
        return f"project: there is no project '{device.project}'"
    target, version = device.target, device.app_version
    return DeviceRow(
        target_hash(target.kind, target.value),
        device.user_id,
        device.platform,
        target.kind,
        target.value,
        device.project,
        Known(
            device.locale,
            device.time_zone,
            version,
            None if version is None else version_order(version),
            device.last_seen,
            _attributes(device.attributes),
        ),
    )


def _attributes(given: Attributes | None) -> str | None:
    """As JSON; where all are null, nothing is said of any, as by tools that write each field of each row."""
    if given is None or (None in given.values() and all(value is None for value in given.values())):
        return None
    return to_json(given).decode()


def line_problem(error: ValidationError) -> str:
    """What is wrong with a line, in a sentence."""
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
