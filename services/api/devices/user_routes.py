"""`/v1/users`: what is kept of a user, deleted."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from services.api.access.audit import audit, user_resource
from services.api.access.roles import Operator
from services.api.devices import store
from services.api.devices.lines import UserId
from services.api.devices.schemas import Forgotten
from services.api.http.problems import EVERYWHERE
from services.api.resources import resources
from shared.db import Writer

router = APIRouter(prefix="/v1/users", tags=["devices"], responses=EVERYWHERE)


@router.delete("/{user_id:path}")
async def forget_user(
    request: Request, _: Operator, user_id: Annotated[UserId, Path(description="The app's own id of the user")]
) -> Forgotten:
    """Delete all devices of a user, and the user's id wherever it stands; for who wants to be forgotten.

    Ledgers keep the numbers of devices, which name nobody once the devices are gone: batches under way skip them
    (`S`), and counts stay what they were. Deleted are the devices with all that is known of them, the user's place in
    uploaded lists, and the id in the audiences of campaigns. Kept are the suppression list, as the promise never to
    send, which `DELETE /v1/suppressions/users/{user_id}` ends; lines that imports rejected, for seven days; answers
    under an Idempotency-Key, for 24 hours. The audit log and the logs know users by a hash at the most. Asking again
    changes nothing.
    """

    async def work(tx: Writer) -> Forgotten:
        devices = await store.forget_devices(tx, user_id)
        lists, campaigns = await store.forget_mentions(tx, user_id)
        forgotten = Forgotten(
            devices=devices, lists=lists, campaigns=campaigns, suppressed=await store.is_suppressed(tx, user_id)
        )
        await audit(tx, request, user_resource(user_id), before=forgotten.model_dump())
        return forgotten

    return await resources(request).database.again(work)
