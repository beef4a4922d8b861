"""An instant as text, in the forms that databases and data tools write: pure, and part of an import's hot path.

A day, a time and its offset from UTC. Which of them is certain is taken, and what is not is refused in words that say
what is missing: a time without an offset might be anywhere, a number might count seconds, milliseconds or days.
"""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field
from pydantic_core import PydanticCustomError

FIRST_YEAR = 2000
LAST_YEAR = 2999

_DAY = r"(\d{4}-\d\d-\d\d)"
_TIME = r"(\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,12}))?"
_OFFSET = r"(?:([Zz]|UTC|GMT)|([+-]\d\d)(?::?(\d\d))?)(?: UTC)?"
_INSTANT = re.compile(f"{_DAY}[Tt _]{_TIME} ?{_OFFSET}", re.ASCII)

EXAMPLE = "'2026-11-22T09:00:00Z' or '2026-11-22 18:00:00+09'"
_NUMBERS = (
    "a number does not say whether it counts seconds, milliseconds or a spreadsheet's days; give a time as text with "
    f"its zone, such as {EXAMPLE}"
)
_ZONELESS = (
    "this time does not say its offset from UTC, so it might be anywhere; write it behind the time, such as "
    f"{EXAMPLE} (in SQL: a timestamp with time zone)"
)
_DAYS = f"this is a day without a time; give a time with its zone, such as {EXAMPLE}"
_ORDERS = (
    "which part of this is the day and which the month depends on who wrote it; give year, month, day and the zone, "
    f"such as {EXAMPLE}"
)
_OTHERS = f"this is no time with its zone; give one such as {EXAMPLE}"

_REFUSED = [
    (re.compile(form, re.ASCII), words)
    for form, words in (
        (r"[+-]?\d+([.,]\d+)?", _NUMBERS),
        (r"\d{4}[-/.]\d\d?[-/.]\d\d?", _DAYS),
        (r"\d{4}[-/.]\d\d?[-/.]\d\d?[Tt _].+", _ZONELESS),
        (r"\d{1,2}([/.-]) ?\d{1,2}\1 ?\d{2,4}(\D.*)?", _ORDERS),
    )
]
"""Texts that are not taken, and why; the first that fits."""


def read_moment(text: str) -> datetime:
    """The instant of a text. Raises `PydanticCustomError`, which says what is missing.

    Digits behind microseconds are dropped: they are nanoseconds, which the registry does not keep.

    >>> read_moment("2026-11-20 09:30:15.123456+00").isoformat()
    '2026-11-20T09:30:15.123456+00:00'
    """
    if text[13:14] == ":" and text[10] in "T ":
        # As nearly all are written: quicker than the pattern.
        moment = _by_iso(text)
        if moment is not None and moment.tzinfo is not None:
            return check_year(moment)
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise PydanticCustomError("moment", _refusal(text))
    day, time, fraction, utc, hours, minutes = found.groups()
    offset = "+00:00" if utc else f"{hours}:{minutes or '00'}"
    try:
        moment = datetime.fromisoformat(f"{day}T{time}{f'.{fraction:0<6.6}' if fraction else ''}{offset}")
    except ValueError as error:
        raise PydanticCustomError("moment", "there is no such time: {why}", {"why": str(error)}) from None
    return check_year(moment)


def _by_iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def check_year(moment: datetime) -> datetime:
    """Refuse what lies outside of anybody's registry, and of PostgreSQL's arithmetic."""
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise PydanticCustomError(
            "year", "the year has to be {first} to {last}", {"first": FIRST_YEAR, "last": LAST_YEAR}
        )
    return moment


def check_moment(value: Any) -> datetime:
    """The instant of what a document has in its place."""
    if isinstance(value, str):
        return read_moment(value)
    if isinstance(value, datetime) and value.utcoffset() is not None:
        return check_year(value)
    if isinstance(value, int | float):
        raise PydanticCustomError("moment", _NUMBERS)
    raise PydanticCustomError("moment", _ZONELESS if isinstance(value, datetime) else _OTHERS)


def _refusal(text: str) -> str:
    """What keeps a text from being an instant."""
    return next((words for form, words in _REFUSED if form.fullmatch(text)), _OTHERS)


Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(check_moment)]
"""An instant. Written as RFC 3339 says; read in the forms of `read_moment` as well."""
