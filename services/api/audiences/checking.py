"""What an audience names has to exist: campaigns, lists and segments."""

from typing import Any

from fastapi.exceptions import RequestValidationError
from sqlalchemy import text
from sqlalchemy.engine import Row

from services.api.audiences.schemas import FollowUp, as_stored
from shared.contracts.platforms import Shape
from shared.db import Reader, Writer
from shared.ledger import audiences
from shared.ledger.audiences import UnknownAudienceError
from shared.ledger.states import ENDED

FOLLOWED = text("select status, ledger_deleted_at from campaign where id = :id")
# Against the lock that deletion takes: whoever is first, the other sees what it did.
FOLLOWED_HELD = text("select status, ledger_deleted_at from campaign where id = :id for share")


async def check_audience(tx: Writer, audience: Shape) -> None:
    """Refuse an audience that names what does not exist; what it names stays until this transaction ends."""
    await check_follow_up(tx, audience)
    try:
        await audiences.hold(tx, as_stored(audience))
    except UnknownAudienceError as error:
        raise unknown(audience, error) from None


async def check_readable(tx: Reader, audience: Shape) -> None:
    """The same for an audience that is only counted."""
    await check_follow_up(tx, audience)


def unknown(audience: Shape, error: UnknownAudienceError) -> RequestValidationError:
    """The refusal of an audience that names lists or segments that are not there, each at its place."""
    stored = as_stored(audience)
    exclude = stored.get("exclude", {})
    faults: list[dict[str, Any]] = []
    for name, missing in (("list", error.lists), ("segment", error.segments)):
        problem = f"there is no such {name}" + (", or its upload is not complete" if name == "list" else "")
        fault: dict[str, Any] = {"type": f"no_{name}", "msg": problem}
        if stored.get(f"{name}_id") in missing:
            faults.append({**fault, "loc": ("body", "audience", f"{name}_id")})
        faults += [
            {**fault, "loc": ("body", "audience", "exclude", f"{name}_ids", place)}
            for place, id_ in enumerate(exclude.get(f"{name}_ids", ()))
            if id_ in missing
        ]
    return RequestValidationError(faults, body={"audience": stored})


async def check_follow_up(tx: Reader, audience: object) -> None:
    """Refuse an audience that follows up what does not exist, has not ended, or is no longer in the ledger."""
    if not isinstance(audience, FollowUp):
        return
    row = await followed(tx, audience.campaign_id)
    if row is None:
        problem = f"there is no campaign {audience.campaign_id}"
    elif row.status not in ENDED:
        problem = f"campaign {audience.campaign_id} is {row.status}; it can be followed up once it has ended"
    elif row.ledger_deleted_at is not None:
        problem = f"the devices of campaign {audience.campaign_id} were deleted at {row.ledger_deleted_at:%Y-%m-%d}"
    else:
        return
    fault = {"loc": ("body", "audience", "campaign_id"), "type": "follow_up", "msg": problem}
    raise RequestValidationError([fault], body={"audience": {"campaign_id": audience.campaign_id}})


async def followed(tx: Reader, campaign_id: int) -> Row[Any] | None:
    """Whether a campaign can be followed up: where it is, and whether its batches are still there.

    A `Writer` keeps them there until its transaction ends, and so, with the draft that it writes, until that is sent.
    """
    return await tx.first(FOLLOWED_HELD if isinstance(tx, Writer) else FOLLOWED, {"id": campaign_id})
