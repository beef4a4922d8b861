"""What is known of a device beside its target: language, place, version, attributes. Checked and put in one form."""

import functools
import json
import math
import re
import zoneinfo
from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

MAX_ATTRIBUTES = 32
MAX_ATTRIBUTE_BYTES = 2048
"""Bytes of all attributes as JSON: enough for a device's traits, and a million devices stay within 2 GB."""
FEW, SHORT = 8, 24
"""So many attributes of so many characters fit, whatever is in them: 64 bytes of name, up to 6 a character."""
MAX_TEXT = 256
MAX_TEXTS = 50
SAFE_NUMBER = 2**53
"""Up to here every reader of JSON takes an integer exactly."""

MOST_USED = 1024
"""Versions, and locales, whose form is remembered: an import has a million lines and a few dozen of each."""

_VERSION = re.compile(r"[vV]?(\d{1,9}(?:\.\d{1,9}){0,3})(?:-([0-9A-Za-z.-]{1,40}))?(?:[+ (].*)?")
_PARTS = 4
_LOCALE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,4}")


@functools.lru_cache(MOST_USED)
def version_order(version: str) -> bytes | None:
    """Bytes that compare as the versions do, None when this is no version.

    Up to four numbers; `1.2` is `1.2.0`. A suffix after a hyphen comes before the release, by the rules of semantic
    versions; what follows `+`, a space or a bracket does not count.

    >>> version_order("1.10") > version_order("1.9.3") > version_order("1.9.3-rc.2") > version_order("1.9.3-beta.11")
    True
    """
    found = _VERSION.fullmatch(version)
    if found is None:
        return None
    numbers = [int(part) for part in found[1].split(".")]
    order = b"".join(number.to_bytes(4, "big") for number in numbers + [0] * (_PARTS - len(numbers)))
    return order + (b"\xff" if found[2] is None else b"".join(map(_identifier, found[2].split("."))))


def _identifier(part: str) -> bytes:
    """One dot-separated part of a suffix: numbers before words, fewer parts before more."""
    if part.isdecimal():
        return b"\x01" + len(part.lstrip("0")).to_bytes(1, "big") + part.lstrip("0").encode()
    return b"\x02" + part.encode() + b"\x00"


@functools.lru_cache(MOST_USED)
def canonical_locale(tag: str) -> str:
    """A language tag in the case that RFC 5646 advises, so that equal ones are equal.

    >>> canonical_locale("KO_kr"), canonical_locale("zh-hant-tw")
    ('ko-KR', 'zh-Hant-TW')
    """
    if not _LOCALE.fullmatch(tag):
        raise PydanticCustomError("locale", "give a language tag such as 'ko' or 'ko-KR'")
    language, *others = tag.replace("_", "-").split("-")
    return "-".join([language.lower(), *map(_subtag, others)])


def _subtag(part: str) -> str:
    if part.isalpha() and len(part) == 2:  # noqa: PLR2004 - a region has two letters
        return part.upper()
    return part.title() if part.isalpha() and len(part) == 4 else part.lower()  # noqa: PLR2004 - a script has four


@functools.cache
def time_zones() -> frozenset[str]:
    """Every time zone of the IANA database."""
    return frozenset(zoneinfo.available_timezones())


def check_time_zone(name: str) -> str:
    """Refuse a name that is no IANA time zone."""
    if name not in time_zones():
        raise PydanticCustomError("time_zone", "there is no such time zone; give an IANA name such as 'Asia/Seoul'")
    return name


def check_attribute(value: object) -> object:
    """Refuse what is no attribute's value."""
    if isinstance(value, str) and _is_text(value):
        return value
    if isinstance(value, int | float):
        fine = math.isfinite(value) and abs(value) <= SAFE_NUMBER
    else:
        fine = isinstance(value, list) and len(value) <= MAX_TEXTS and all(map(_is_text, value))
    if not fine:
        raise PydanticCustomError(
            "attribute_value",
            "this has to be a text of up to {text} characters, a number of up to 2^53, true, false, or a list of up to "
            "{texts} texts",
            {"text": MAX_TEXT, "texts": MAX_TEXTS},
        )
    return value


def _is_text(value: object) -> bool:
    """Whether PostgreSQL can hold it: no NUL, no half of a surrogate pair."""
    if not isinstance(value, str) or len(value) > MAX_TEXT or "\0" in value:
        return False
    return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)


def check_attributes(attributes: "Attributes") -> "Attributes":
    """Refuse attributes that are too large together."""
    few = len(attributes) <= FEW and not any(
        isinstance(value, list) or (isinstance(value, str) and len(value) > SHORT) for value in attributes.values()
    )
    if not few and len(json.dumps(attributes, ensure_ascii=False).encode()) > MAX_ATTRIBUTE_BYTES:
        raise PydanticCustomError(
            "attributes_too_large", "the attributes are more than {limit} bytes as JSON", {"limit": MAX_ATTRIBUTE_BYTES}
        )
    return attributes


Platform = Annotated[str, Field(pattern=r"^(android|ios|web)$", description="android, ios or web")]
Locale = Annotated[
    str,
    Field(max_length=35, examples=["ko-KR"]),
    AfterValidator(canonical_locale),
    WithJsonSchema({"type": "string", "maxLength": 35, "pattern": f"^{_LOCALE.pattern}$", "examples": ["ko-KR"]}),
]
TimeZone = Annotated[str, Field(max_length=64, examples=["Asia/Seoul"]), AfterValidator(check_time_zone)]
AppVersion = Annotated[str, Field(pattern=r"^[\x20-\x7e]{1,64}$", examples=["3.12.0"])]
AttributeName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$")]
AttributeValue = Annotated[
    Any,
    AfterValidator(check_attribute),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "maxLength": MAX_TEXT},
                {"type": "number"},
                {"type": "boolean"},
                {"type": "array", "items": {"type": "string", "maxLength": MAX_TEXT}, "maxItems": MAX_TEXTS},
            ]
        }
    ),
]
Attributes = Annotated[
    dict[AttributeName, AttributeValue | None],
    Field(max_length=MAX_ATTRIBUTES, json_schema_extra={"additionalProperties": False}),
    AfterValidator(check_attributes),
]
