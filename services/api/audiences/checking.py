"""What an audience names has to exist: campaigns, lists and segments."""

from typing import Any

from fastapi.exceptions import RequestValidationError

from services.api.audiences.schemas import as_stored
from services.api.campaigns.follow_up import check_follow_up
from shared.contracts.platforms import Shape
from shared.db import Reader, Writer
from shared.ledger import audiences
from shared.ledger.audiences import UnknownAudienceError


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
