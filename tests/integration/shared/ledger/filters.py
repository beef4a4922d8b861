"""Devices with all that may be known of one, random filters over them, and a reading of filters in plain Python."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from shared.contracts.traits import version_order
from shared.db import Writer

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
LOCALES = (None, "ko", "ko-KR", "kok", "en-US")
ZONES = (None, "Asia/Seoul", "Europe/Berlin")
VERSIONS = (None, "dev", "1.9", "1.10-rc.1", "1.10", "1.10.0", "2")
VALUES: tuple[Any, ...] = ("pro", "", 1, 1.5, -3, True, False, ["a", "b"], [], "1")
NAMES = ("plan", "n.x", "other")

Device = dict[str, Any]
Filter = dict[str, Any]

INSERT = text("""
    insert into device (project_id, user_id, platform, target_kind, target, target_hash, locale, time_zone, app_version,
                        app_version_order, attributes, last_seen)
    values ('default', :user_id, :platform, 'token', :user_id, sha256(convert_to(:user_id, 'UTF8')), :locale,
            :time_zone, :app_version, :app_version_order, cast(:attributes as jsonb), :last_seen)
    returning id
""")


def random_device(rng: random.Random) -> Device:
    """A device of which some things are known."""
    names = rng.sample(NAMES, rng.randrange(len(NAMES) + 1))
    return {
        "platform": rng.choice(("android", "ios", "web")),
        "locale": rng.choice(LOCALES),
        "time_zone": rng.choice(ZONES),
        "app_version": rng.choice(VERSIONS),
        "last_seen": NOW - timedelta(days=rng.randrange(20), hours=1),
        "attributes": {name: rng.choice(VALUES) for name in names} if rng.random() < 0.8 else None,
    }


async def insert(tx: Writer, number: int, device: Device) -> int:
    """Register it; returns its id."""
    version, attributes = device["app_version"], device["attributes"]
    row = await tx.first(
        INSERT,
        {
            **device,
            "user_id": f"user-{number}",
            "app_version_order": None if version is None else version_order(version),
            "attributes": None if attributes is None else json.dumps(attributes),
        },
    )
    assert row is not None
    return int(row.id)


def random_filter(rng: random.Random, depth: int = 3) -> Filter:
    """Some filter."""
    kind = rng.choice(("all", "any", "not", *["leaf"] * 4)) if depth else "leaf"
    if kind == "leaf":
        return rng.choice(LEAVES)(rng)
    if kind == "not":
        return {"not": random_filter(rng, depth - 1)}
    return {kind: [random_filter(rng, depth - 1) for _ in range(rng.randint(1, 3))]}


def _attribute(rng: random.Random) -> Filter:
    scalars = [value for value in VALUES if not isinstance(value, list)]
    tests = {
        "eq": rng.choice(scalars),
        "in": rng.sample(scalars, 2),
        "contains": rng.choice("abc"),
        "exists": rng.random() < 0.5,
        "gt": rng.choice((0, 1, -5.5)),
        "lte": rng.choice((1, 1.5)),
    }
    return {"attribute": rng.choice(NAMES), **_some(rng, tests)}


def _version(rng: random.Random) -> Filter:
    ordered = VERSIONS[2:]
    tests = {"in": rng.sample(VERSIONS[1:], 2), "gte": rng.choice(ordered), "lt": rng.choice(ordered)}
    return {"field": "app_version", **_some(rng, tests)}


def _seen(rng: random.Random) -> Filter:
    tests = {
        "after": (NOW - timedelta(days=rng.randrange(20))).isoformat(),
        "before": (NOW - timedelta(days=rng.randrange(20))).isoformat(),
        "within_days": rng.randint(1, 20),
        "not_within_days": rng.randint(1, 20),
    }
    return {"field": "last_seen", **_some(rng, tests)}


def _locale(rng: random.Random) -> Filter:
    tests = {"in": rng.sample(LOCALES[1:], 2), "language": [rng.choice(("ko", "en", "ja"))]}
    return {"field": "locale", **_some(rng, tests)}


LEAVES: tuple[Callable[[random.Random], Filter], ...] = (
    lambda rng: {"field": "platform", "in": rng.sample(("android", "ios", "web"), 2)},
    lambda rng: {"field": "project", "in": [rng.choice(("default", "other"))]},
    lambda rng: {"field": "time_zone", "in": [rng.choice(ZONES[1:])]},
    _locale,
    _version,
    _seen,
    _attribute,
    _attribute,
)


def _some(rng: random.Random, tests: dict[str, Any]) -> dict[str, Any]:
    names = rng.sample(sorted(tests), rng.choice((1, 1, 2)))
    return {name: tests[name] for name in names}


def _order(version: str) -> bytes:
    return version_order(version) or b""


def meets(device: Device, wanted: Filter) -> bool:
    """Whether the device meets the filter, as the language's own words say."""
    if "all" in wanted:
        return all(meets(device, inner) for inner in wanted["all"])
    if "any" in wanted:
        return any(meets(device, inner) for inner in wanted["any"])
    if "not" in wanted:
        return not meets(device, wanted["not"])
    tests = {name: value for name, value in wanted.items() if name not in {"field", "attribute"}}
    if "attribute" in wanted:
        has = wanted["attribute"] in (device["attributes"] or {})
        value = (device["attributes"] or {}).get(wanted["attribute"])
        return all(_meets_attribute(has, value, name, test) for name, test in tests.items())
    value = {"project": "default", **device}[wanted["field"]]
    return all(value is not None and _meets_field(wanted["field"], value, name, test) for name, test in tests.items())


def _meets_attribute(has: bool, value: Any, name: str, test: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    checks: dict[str, Callable[[], bool]] = {
        "exists": lambda: has is test,
        "eq": lambda: has and _same(value, test),
        "in": lambda: has and any(_same(value, one) for one in test),
        "contains": lambda: isinstance(value, list) and test in value,
        "gt": lambda: number and value > test,
        "lte": lambda: number and value <= test,
    }
    return checks[name]()


def _same(value: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def _meets_field(field: str, value: Any, name: str, test: Any) -> bool:
    if field == "last_seen":
        limits: dict[str, Callable[[], bool]] = {
            "after": lambda: value >= datetime.fromisoformat(test),
            "before": lambda: value < datetime.fromisoformat(test),
            "within_days": lambda: value >= NOW - timedelta(days=test),
            "not_within_days": lambda: value < NOW - timedelta(days=test),
        }
        return limits[name]()
    if name == "language":
        return any(value == one or value.startswith(f"{one}-") for one in test)
    if field == "app_version":
        if name == "in":
            return any(value == one or _order(value) == _order(one) != b"" for one in test)
        return _order(value) != b"" and (_order(value) >= _order(test)) == (name == "gte")
    return value in test
