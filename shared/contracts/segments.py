"""The filter language of segments: JSON in, nothing but these shapes out.

A condition is one object: `field` or `attribute` names what is looked at, the other members what must hold, all of
them. `all`, `any` and `not` join conditions. A device of which a thing is not known meets no condition on it, so `not`
is met by it.

    {"all": [
      {"field": "platform", "in": ["android", "ios"]},
      {"field": "app_version", "gte": "3.2", "lt": "4"},
      {"field": "last_seen", "within_days": 30},
      {"attribute": "plan", "eq": "pro"},
      {"not": {"field": "locale", "language": ["ja"]}}
    ]}
"""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shared.contracts.moments import Moment
from shared.contracts.numbers import WHOLE
from shared.contracts.platforms import Shape
from shared.contracts.traits import (
    SAFE_NUMBER,
    AppVersion,
    AttributeName,
    AttributeValue,
    Locale,
    Platform,
    TimeZone,
    version_order,
)

MAX_DEPTH = 5
"""Levels of `all`, `any` and `not`: what people can read; PostgreSQL and this parser could take more."""
MAX_CONDITIONS = 50
"""Conditions of one filter: each costs up to a microsecond a device."""
MAX_VALUES = 100
"""Values of one `in`; more are a list to upload."""


def _check_scalar(value: Any) -> Any:
    if isinstance(value, list):
        raise PydanticCustomError("scalar", "compare with one value; 'contains' looks into lists")
    return value


Scalar = Annotated[AttributeValue, AfterValidator(_check_scalar)]
Number = Annotated[float, Field(ge=-SAFE_NUMBER, le=SAFE_NUMBER, strict=True)]

Days = Annotated[int, Field(ge=1, le=3650, strict=True), WHOLE]


class Condition(Shape):
    """A condition on one thing; at least one test, and all of them must hold."""

    @model_validator(mode="after")
    def _tests_something(self) -> Self:
        if not self.model_fields_set - {"field", "attribute"}:
            tests = [info.alias or name for name, info in type(self).model_fields.items()]
            known = ", ".join(name for name in tests if name not in {"field", "attribute"})
            raise PydanticCustomError("no_test", "say what must hold, by one or more of: {known}", {"known": known})
        return self

    @model_validator(mode="before")
    @classmethod
    def _no_nulls(cls, value: Any) -> Any:
        if isinstance(value, dict) and None in value.values():
            raise PydanticCustomError("null_test", "null tests nothing: leave the member out")
        return value


class PlatformCondition(Condition):
    """On the platform."""

    field: Literal["platform"]
    in_: Annotated[list[Platform] | None, Field(alias="in", min_length=1, max_length=3)] = None


class ProjectCondition(Condition):
    """On the FCM project."""

    field: Literal["project"]
    in_: Annotated[
        list[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]] | None,
        Field(alias="in", min_length=1, max_length=MAX_VALUES),
    ] = None


class LocaleCondition(Condition):
    """On the locale: exactly, or by its beginning (`ko` is met by `ko` and `ko-KR`)."""

    field: Literal["locale"]
    in_: Annotated[list[Locale] | None, Field(alias="in", min_length=1, max_length=MAX_VALUES)] = None
    language: Annotated[list[Locale] | None, Field(min_length=1, max_length=MAX_VALUES)] = None


class TimeZoneCondition(Condition):
    """On the time zone."""

    field: Literal["time_zone"]
    in_: Annotated[list[TimeZone] | None, Field(alias="in", min_length=1, max_length=MAX_VALUES)] = None


class VersionCondition(Condition):
    """On the app's version, in the order of versions: 1.9 < 1.10-rc.1 < 1.10 = 1.10.0."""

    field: Literal["app_version"]
    in_: Annotated[list[AppVersion] | None, Field(alias="in", min_length=1, max_length=MAX_VALUES)] = None
    lt: AppVersion | None = None
    lte: AppVersion | None = None
    gt: AppVersion | None = None
    gte: AppVersion | None = None

    @field_validator("lt", "lte", "gt", "gte")
    @classmethod
    def _has_an_order(cls, version: str | None) -> str | None:
        if version is not None and version_order(version) is None:
            raise PydanticCustomError("no_version", "this is no version such as '3', '3.12' or '3.12.0-rc.1'")
        return version


class SeenCondition(Condition):
    """On when the app was last seen; `within_days` counts back from the moment of the send or of the estimate."""

    field: Literal["last_seen"]
    before: Moment | None = None
    after: Moment | None = None
    within_days: Days | None = None
    not_within_days: Days | None = None


class AttributeCondition(Condition):
    """On one of the device's attributes. `lt` to `gte` are met by numbers only, `contains` by lists only."""

    attribute: AttributeName
    eq: Scalar | None = None
    in_: Annotated[list[Scalar] | None, Field(alias="in", min_length=1, max_length=MAX_VALUES)] = None
    contains: Annotated[str | None, Field(max_length=256, pattern=r"^[^\x00]*$")] = None
    exists: Annotated[bool | None, Field(strict=True)] = None
    lt: Number | None = None
    lte: Number | None = None
    gt: Number | None = None
    gte: Number | None = None


class All(Shape):
    """Met when all of them are."""

    all: Annotated[list["Filter"], Field(min_length=1, max_length=MAX_CONDITIONS)]


class AnyOf(Shape):
    """Met when one of them is."""

    any: Annotated[list["Filter"], Field(min_length=1, max_length=MAX_CONDITIONS)]


class Not(Shape):
    """Met when it is not."""

    not_: Annotated["Filter", Field(alias="not")]


_JOINED: dict[str, type[Shape]] = {"all": All, "any": AnyOf, "not": Not, "attribute": AttributeCondition}
_FIELDS: dict[str, type[Shape]] = {
    "platform": PlatformCondition,
    "project": ProjectCondition,
    "locale": LocaleCondition,
    "time_zone": TimeZoneCondition,
    "app_version": VersionCondition,
    "last_seen": SeenCondition,
}


def _kind(value: Any) -> str | None:
    """Which shape it is to be, by the shape's name, which no member of a filter has."""
    if isinstance(value, Shape):
        return type(value).__name__
    if not isinstance(value, dict):
        return None
    named = [shape for key, shape in _JOINED.items() if key in value]
    field = value.get("field")
    shape = named[0] if named else _FIELDS.get(field) if isinstance(field, str) else None
    return None if shape is None else shape.__name__


Filter = Annotated[
    Annotated[All, Tag("All")]
    | Annotated[AnyOf, Tag("AnyOf")]
    | Annotated[Not, Tag("Not")]
    | Annotated[AttributeCondition, Tag("AttributeCondition")]
    | Annotated[PlatformCondition, Tag("PlatformCondition")]
    | Annotated[ProjectCondition, Tag("ProjectCondition")]
    | Annotated[LocaleCondition, Tag("LocaleCondition")]
    | Annotated[TimeZoneCondition, Tag("TimeZoneCondition")]
    | Annotated[VersionCondition, Tag("VersionCondition")]
    | Annotated[SeenCondition, Tag("SeenCondition")],
    Discriminator(
        _kind,
        custom_error_type="filter",
        custom_error_message="this is no filter: it needs one of 'all', 'any', 'not', 'attribute', or a 'field' that "
        "is one of platform, project, locale, time_zone, app_version, last_seen",
    ),
]


def check_bounds(value: Any) -> Any:
    """Refuse a filter that is nested too deeply or has too many conditions, before anything looks into it."""
    level, conditions = [value], 0
    for _ in range(MAX_DEPTH + 1):
        conditions += sum(1 for item in level if not _joined(item))
        level = [inner for item in level for inner in _joined(item)]
    if level:
        raise PydanticCustomError(
            "filter_too_deep", "'all', 'any' and 'not' may be nested {limit} levels deep", {"limit": MAX_DEPTH}
        )
    if conditions > MAX_CONDITIONS:
        raise PydanticCustomError(
            "filter_too_large",
            "this filter has {count} conditions; it may have {limit}",
            {"count": conditions, "limit": MAX_CONDITIONS},
        )
    return value


def _joined(value: Any) -> list[Any]:
    """What a join holds, of JSON that nobody has checked yet; nothing when it is no join."""
    if not isinstance(value, dict):
        return []
    inner = value.get("all", value.get("any", value.get("not", [])))
    return inner if isinstance(inner, list) else [inner]


SegmentFilter = Annotated[Filter, BeforeValidator(check_bounds)]
"""A whole filter, with its bounds checked."""

All.model_rebuild()
AnyOf.model_rebuild()
Not.model_rebuild()
FILTER: TypeAdapter[Any] = TypeAdapter(SegmentFilter)


def as_json(parsed: Shape) -> dict[str, Any]:
    """The filter as it is stored."""
    return parsed.model_dump(mode="json", by_alias=True, exclude_none=True)


def frozen(parsed: Shape, at: datetime) -> Shape:
    """The filter with its days counted back from `at`, so that it means the same however long planning takes."""
    match parsed:
        case All():
            return All(all=[frozen(inner, at) for inner in parsed.all])
        case AnyOf():
            return AnyOf(any=[frozen(inner, at) for inner in parsed.any])
        case Not():
            return Not.model_validate({"not": frozen(parsed.not_, at)})
        case SeenCondition():
            since = [at - timedelta(days=parsed.within_days)] if parsed.within_days else []
            until = [at - timedelta(days=parsed.not_within_days)] if parsed.not_within_days else []
            after = max([*since, *([parsed.after] if parsed.after else [])], default=None)
            before = min([*until, *([parsed.before] if parsed.before else [])], default=None)
            known = {"after": after, "before": before}
            return SeenCondition(field="last_seen", **{name: time for name, time in known.items() if time})
    return parsed
