"""`/v1/keys`: who may call, made and revoked by admins. A key is shown once, in the answer that makes it."""

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Body, Path, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.functional_validators import AfterValidator
from pydantic_core import PydanticCustomError
from sqlalchemy import text
from sqlalchemy.engine import Row

from services.api.access.audit import audit, keep_no_answer
from services.api.access.keys import SHOWN, Keys, new_key
from services.api.access.roles import (
    Admin,
    Anyone,
    Role,
    digest,
)
from services.api.http.content_type import is_json
from services.api.http.cursor import (
    PageCursor,
    PageLimit,
    next_cursor,
    page_before,
)
from services.api.http.problems import (
    MALFORMED,
    MEDIA,
    NO_KEY,
    TOO_LARGE,
    UNAUTHORIZED,
    ProblemError,
    documented,
)
from services.api.resources import resources
from shared.contracts.numbers import MAX_ID
from shared.contracts.platforms import Shape

router = APIRouter(prefix="/v1/keys", tags=["keys"], responses=documented(UNAUTHORIZED))

_COLUMNS = "id, name, role, prefix, rate, created_at, created_by, expires_at, last_used_at, revoked_at"
ADD = text(f"""
    insert into api_key (name, role, digest, prefix, rate, created_by, expires_at)
    values (:name, :role, :digest, :prefix, :rate, :created_by, :expires_at)
    returning {_COLUMNS}
""")  # noqa: S608 - constants
PAGE = text(f"select {_COLUMNS} from api_key where id < :before order by id desc limit :limit")  # noqa: S608
ONE = text(f"select {_COLUMNS} from api_key where id = :id")  # noqa: S608
REVOKE = text("update api_key set revoked_at = now() where id = :id and revoked_at is null returning id")

KeyId = Annotated[int, Path(ge=1, le=MAX_ID, description="The key's number")]

EXAMPLE: dict[str, Any] = {"name": "shop backend", "role": "ingest", "expires_at": "2099-01-01T00:00:00Z"}
EXAMPLE_READ: dict[str, Any] = {
    "id": 3,
    "name": "shop backend",
    "role": "ingest",
    "prefix": "crl_Zk3a",
    "rate": None,
    "created_at": "2026-11-22T09:00:00Z",
    "created_by": "operator",
    "expires_at": "2099-01-01T00:00:00Z",
    "last_used_at": None,
    "revoked_at": None,
}


def _in_the_future(moment: datetime) -> datetime:
    if moment <= datetime.now(UTC):
        raise PydanticCustomError("expires_at", "a key has to expire in the future")
    return moment


class NewKey(Shape):
    """A key to make."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: Annotated[
        str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$", description="Whose it is, for people")
    ]
    role: Role
    expires_at: Annotated[AwareDatetime, AfterValidator(_in_the_future)] | None = Field(
        None, description="From when it is refused, in the future; null is never"
    )
    rate: float | None = Field(
        None, gt=0, le=100_000, description="Requests a second in each process of the API; null is the API's default"
    )


class Key(BaseModel):
    """A key without the key."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_READ]})

    id: int
    name: str
    role: Role
    prefix: str = Field(description="Its first characters, to tell keys apart")
    rate: float | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute")
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Read its row."""
        return cls.model_validate(dict(row._mapping))  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping


class CreatedKey(Key):
    """A new key, with the key itself: nobody can read it again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**EXAMPLE_READ, "key": "crl_Zk3a…"}]})

    key: str = Field(description="Send it as `Authorization: Bearer <key>`; it is kept nowhere")


class KeyPage(BaseModel):
    """A page of keys, the newest first, revoked ones included."""

    items: list[Key]
    next_cursor: str | None


class Caller(BaseModel):
    """Who is asking."""

    name: str
    role: Role
    key_id: int = Field(description="0 is the operator key of the environment")


@router.post("", status_code=201, dependencies=[is_json], responses=documented(MALFORMED, TOO_LARGE, MEDIA))
async def make_key(
    request: Request,
    response: Response,
    admin: Admin,
    wanted: Annotated[NewKey, Body(openapi_examples={"ingest": {"summary": "For app servers", "value": EXAMPLE}})],
) -> CreatedKey:
    """Make a key. It is in this answer and nowhere else: what is kept is its SHA-256.

    So a repeated request with the same Idempotency-Key makes no second key and cannot show the first: 409
    `answer-lost` names it, to be revoked and made anew.
    """
    keep_no_answer(request)
    key = new_key()
    async with resources(request).database.write() as tx:
        row = await tx.first(
            ADD,
            {**wanted.model_dump(), "digest": digest(key), "prefix": key[:SHOWN], "created_by": admin.name},
        )
        assert row is not None  # noqa: S101 - insert returning has a row
        made = Key.of(row)
        await audit(tx, request, f"keys/{made.id}", after=made.model_dump(mode="json"))
    response.headers["Location"] = f"/v1/keys/{made.id}"
    return CreatedKey(**made.model_dump(), key=key)


@router.get("")
async def list_keys(
    request: Request,
    _: Admin,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> KeyPage:
    """List keys, the newest first, revoked and expired ones included."""
    async with resources(request).database.read() as tx:
        rows = await tx.all(PAGE, {"before": page_before(cursor), "limit": limit + 1})
    return KeyPage(
        items=[Key.of(row) for row in rows[:limit]],
        next_cursor=next_cursor(rows, limit),
    )


@router.get("/current")
async def current_key(who: Anyone) -> Caller:
    """Tell whose key this request was made with, and its role."""
    return Caller(name=who.name, role=who.role, key_id=who.key_id)


@router.get("/{key_id}", responses=documented(NO_KEY))
async def get_key(request: Request, _: Admin, key_id: KeyId) -> Key:
    """Read a key: whose it is, what it may do, when it was last used."""
    async with resources(request).database.read() as tx:
        return Key.of(_found(await tx.first(ONE, {"id": key_id}), key_id))


@router.delete("/{key_id}", status_code=204, responses=documented(NO_KEY))
async def revoke_key(request: Request, _: Admin, key_id: KeyId) -> None:
    """Revoke a key: refused at once here, and within a second by other processes of the API.

    The operator key of the environment is not revoked but replaced, by starting the API with another.
    """
    found = resources(request)
    async with found.database.write() as tx:
        row = _found(await tx.first(ONE, {"id": key_id}), key_id)
        if await tx.first(REVOKE, {"id": key_id}) is not None:
            await audit(tx, request, f"keys/{key_id}", before=Key.of(row).model_dump(mode="json"))
    found.of(Keys).forget()


def _found(row: Row[Any] | None, key_id: int) -> Row[Any]:
    if row is None:
        raise ProblemError(NO_KEY, f"There is no key {key_id}. GET /v1/keys lists them.")
    return row
