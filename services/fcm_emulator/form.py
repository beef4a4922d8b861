"""Whether a request has the form of the schema: proto3's JSON, as Google's front end reads it before FCM does.

A field may be written by its JSON name or by its original one (`fcmOptions`, `fcm_options`), null leaves it out, and
each thing that is wrong is told with its place. The schema is made into functions once, since bodies that differ in
more than their target are each read in full.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from math import isfinite
from typing import Any

from services.fcm_emulator.schema import MESSAGES, Choice, Kind, Many, Part, Plain

_CAPITAL = re.compile(r"(?<!^)([A-Z])")
_DURATION = re.compile(r"-?\d{1,12}(\.\d{1,9})?s")
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_INT32 = range(-(2**31), 2**31)
# Characters of a wrong value that are told.
_SHOWN = 60

# (place, what is wrong with it); the place of the request itself is empty.
Violation = tuple[str, str]
# Where a value stands: the place around it and its name there; written out only when it is wrong.
_Place = tuple[Any, str] | None
# Returns the value, messages under their JSON names; adds what is wrong.
_Read = Callable[[Any, _Place, list[Violation]], Any]


def read_form(value: object, message: str) -> tuple[dict[str, Any], list[Violation]]:
    """Return a message's fields under their JSON names, nulls left out, and all that breaks the schema."""
    wrong: list[Violation] = []
    return _READERS[message](value, None, wrong), wrong


def _message(fields: dict[str, tuple[str, _Read]]) -> _Read:
    """Read a message, whose fields are given by each name that they may be written by."""

    def read(value: Any, place: _Place, wrong: list[Violation]) -> Any:
        found: dict[str, Any] = {}
        if not isinstance(value, dict):
            _note(wrong, place, f"an object is needed, not {_shown(value)}")
            return found
        for written, item in value.items():
            known = fields.get(written)
            if known is None:
                _note(wrong, place, f'unknown name "{written[:_SHOWN]}", no such field')
            elif known[0] in found:
                _note(wrong, place, f'"{written}" is set twice')
            elif item is not None:
                found[known[0]] = known[1](item, (place, written), wrong)
        return found

    return read


def _array(read_item: _Read) -> _Read:
    def read(value: Any, place: _Place, wrong: list[Violation]) -> Any:
        if isinstance(value, list):
            return [read_item(item, (place, f"[{index}]"), wrong) for index, item in enumerate(value)]
        _note(wrong, place, f"an array is needed, not {_shown(value)}")
        return []

    return read


def _strings(value: Any, place: _Place, wrong: list[Violation]) -> Any:
    if not isinstance(value, dict):
        _note(wrong, place, f"an object is needed, not {_shown(value)}")
        return {}
    for index, item in enumerate(value.values()):
        if not isinstance(item, str):
            _note(wrong, ((place, f"[{index}]"), "value"), f"a string is needed, not {_shown(item)}")
    return value


def _plain(fits: Callable[[Any], bool], needed: str) -> _Read:
    def read(value: Any, place: _Place, wrong: list[Violation]) -> Any:
        if not fits(value):
            _note(wrong, place, f"{needed} is needed, not {_shown(value)}")
        return value

    return read


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    """Tell whether a value is an int32 by proto3's JSON, which takes `7`, `7.0` and `"7"`."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,10}", value):
        return int(value) in _INT32
    return _is_number(value) and isfinite(value) and int(value) == value and int(value) in _INT32


def _is_instant(value: Any) -> bool:
    if not isinstance(value, str) or not (found := _INSTANT.fullmatch(value)):
        return False
    try:
        datetime.fromisoformat(found[1] + found[3])
    except ValueError:
        return False
    return True


_PLAIN: dict[Plain, _Read] = {
    Plain.STRING: _plain(lambda value: isinstance(value, str), "a string"),
    Plain.BOOLEAN: _plain(lambda value: isinstance(value, bool), "true or false"),
    Plain.INT32: _plain(_is_whole, "a whole number of 32 bits"),
    Plain.FLOAT: _plain(lambda value: _is_number(value) or value in ("NaN", "Infinity", "-Infinity"), "a number"),
    Plain.DURATION: _plain(
        lambda value: isinstance(value, str) and _DURATION.fullmatch(value) is not None, 'a duration such as "3.5s"'
    ),
    Plain.DATETIME: _plain(_is_instant, "an instant by RFC 3339"),
    Plain.STRINGS: _strings,
    Plain.OBJECT: _plain(lambda value: isinstance(value, dict), "an object"),
}


def _choice(names: frozenset[str]) -> _Read:
    # A number stands for a name; FCM keeps those it does not know, and takes small letters for capitals.
    def fits(value: Any) -> bool:
        return value.upper() in names if isinstance(value, str) else _is_whole(value)

    return _plain(fits, f"one of {', '.join(sorted(names))}")


def _reader(kind: Kind) -> _Read:
    match kind:
        case Part(message):
            return _READERS[message]
        case Many(inner):
            return _array(_PLAIN[inner])
        case Choice(names):
            return _choice(names)
        case Plain():
            return _PLAIN[kind]


def _names(field: str) -> set[str]:
    return {field, _CAPITAL.sub(r"_\1", field).lower()}


# By message, its fields by each name that they may be written by; filled below, since messages hold each other.
_FIELDS: dict[str, dict[str, tuple[str, _Read]]] = {message: {} for message in MESSAGES}
_READERS = {message: _message(fields) for message, fields in _FIELDS.items()}
for _name, _kinds in MESSAGES.items():
    _FIELDS[_name].update(
        {written: (field, _reader(kind)) for field, kind in _kinds.items() for written in _names(field)}
    )


def _note(wrong: list[Violation], place: _Place, problem: str) -> None:
    written = _written(place)
    wrong.append((written, f"{written or 'The request'}: {problem}."))


def _written(place: _Place) -> str:
    if place is None:
        return ""
    around, name = _written(place[0]), place[1]
    return f"{around}.{name}" if around and name[0] != "[" else around + name


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
