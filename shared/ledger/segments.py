"""A segment's filter as an SQL condition over `device d`.

The text is made of this module's own pieces; whatever comes from a caller is a parameter. A condition on what is not
known of a device is null, which `and` and `or` take as not met, and `not` is written `is not true`.
"""

import json
from typing import Any

from shared.contracts.platforms import Shape
from shared.contracts.segments import (
    FILTER,
    All,
    AnyOf,
    AttributeCondition,
    LocaleCondition,
    Not,
    PlatformCondition,
    ProjectCondition,
    SeenCondition,
    TimeZoneCondition,
    VersionCondition,
)
from shared.contracts.traits import version_order

COMPARISONS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}

COLUMNS = {"platform": "d.platform", "project": "d.project_id", "time_zone": "d.time_zone"}


class Terms:
    """Parameters of one statement, each under a name of its own."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def bind(self, value: Any, kind: str) -> str:
        """The SQL that stands for a value of PostgreSQL's type `kind`."""
        name = f"term_{len(self.values)}"
        self.values[name] = value
        return f"cast(:{name} as {kind})"


def compile_filter(stored: dict[str, Any], terms: Terms) -> str:
    """The condition of a stored filter; raises pydantic's `ValidationError` when it is none."""
    return _condition(FILTER.validate_python(stored), terms)


def _condition(parsed: Shape, terms: Terms) -> str:
    match parsed:
        case All():
            return _join(" and ", [_condition(inner, terms) for inner in parsed.all])
        case AnyOf():
            return _join(" or ", [_condition(inner, terms) for inner in parsed.any])
        case Not():
            return f"({_condition(parsed.not_, terms)}) is not true"
        case _:
            return _join(" and ", _tests(parsed, terms))


def _tests(parsed: Shape, terms: Terms) -> list[str]:
    match parsed:
        case LocaleCondition():
            return _locale(parsed, terms)
        case VersionCondition():
            return _version(parsed, terms)
        case SeenCondition():
            return _seen(parsed, terms)
        case AttributeCondition():
            return _attribute(parsed, terms)
        case PlatformCondition() | ProjectCondition() | TimeZoneCondition():
            return [_one_of(COLUMNS[parsed.field], parsed.in_ or [], terms)]
    raise TypeError(f"{type(parsed).__name__} is no condition")


def _join(word: str, parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else "(" + word.join(parts) + ")"


def _one_of(column: str, values: list[str], terms: Terms) -> str:
    return f"{column} = any({terms.bind(values, 'text[]')})"


def _locale(parsed: LocaleCondition, terms: Terms) -> list[str]:
    tests = [_one_of("d.locale", parsed.in_, terms)] if parsed.in_ else []
    if parsed.language:
        # The languages hold letters, digits and hyphens only: nothing in them is a wildcard.
        begun = terms.bind([f"{language}-%" for language in parsed.language], "text[]")
        tests.append(f"({_one_of('d.locale', parsed.language, terms)} or d.locale like any({begun}))")
    return tests


def _version(parsed: VersionCondition, terms: Terms) -> list[str]:
    tests = []
    if parsed.in_:
        orders = [order for version in parsed.in_ if (order := version_order(version)) is not None]
        same = f"d.app_version_order = any({terms.bind(orders, 'bytea[]')})"
        tests.append(f"({_one_of('d.app_version', parsed.in_, terms)} or {same})")
    for name, sign in COMPARISONS.items():
        version = getattr(parsed, name)
        if version is not None:
            tests.append(f"d.app_version_order {sign} {terms.bind(version_order(version), 'bytea')}")
    return tests


def _seen(parsed: SeenCondition, terms: Terms) -> list[str]:
    tests = []
    if parsed.before is not None:
        tests.append(f"d.last_seen < {terms.bind(parsed.before, 'timestamptz')}")
    if parsed.after is not None:
        tests.append(f"d.last_seen >= {terms.bind(parsed.after, 'timestamptz')}")
    if parsed.within_days is not None:
        tests.append(f"d.last_seen >= {_days_ago(parsed.within_days, terms)}")
    if parsed.not_within_days is not None:
        tests.append(f"d.last_seen < {_days_ago(parsed.not_within_days, terms)}")
    return tests


def _days_ago(days: int, terms: Terms) -> str:
    return f"now() - make_interval(days => {terms.bind(days, 'integer')})"


def _attribute(parsed: AttributeCondition, terms: Terms) -> list[str]:
    """`@>` is what the index on attributes answers; the other tests look at each device."""
    name, tests = parsed.attribute, []
    wanted = [] if parsed.eq is None else [[parsed.eq]]
    wanted += [] if parsed.in_ is None else [parsed.in_]
    wanted += [] if parsed.contains is None else [[[parsed.contains]]]
    for values in wanted:
        documents = [terms.bind(json.dumps({name: value}), "jsonb") for value in values]
        tests.append(_join(" or ", [f"d.attributes @> {document}" for document in documents]))
    if parsed.exists is not None:
        there = f"d.attributes -> {terms.bind(name, 'text')} is not null"
        tests.append(there if parsed.exists else f"({there}) is not true")
    for comparison, sign in COMPARISONS.items():
        limit = getattr(parsed, comparison)
        if limit is not None:
            # The case keeps the cast from what is no number, whatever order the conditions are looked at in.
            value = f"d.attributes -> {terms.bind(name, 'text')}"
            compared = f"cast({value} as float8) {sign} {terms.bind(limit, 'float8')}"
            tests.append(f"case when jsonb_typeof({value}) = 'number' then {compared} end")
    return tests
