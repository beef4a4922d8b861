"""Forgetting a user."""

import json

import httpx
from sqlalchemy import text

from shared.db import Database

NDJSON = {"Content-Type": "application/x-ndjson"}
ME = "user/1 é"


def line(user_id: str, number: int) -> str:
    """A device of a user."""
    target = {"kind": "token", "value": f"token-{number}"}
    return json.dumps({"user_id": user_id, "platform": "ios", "target": target, "attributes": {"plan": "pro"}}) + "\n"


async def test_a_user_who_is_forgotten_is_nowhere_but_on_the_suppression_list(
    client: httpx.AsyncClient, database: Database
) -> None:
    """Devices, lists, campaigns; the ledger's numbers name nobody. Others stay, and asking again changes nothing."""
    body = line(ME, 1) + line(ME, 2) + line("other", 3)
    await client.post("/v1/devices/bulk", content=body, headers=NDJSON)
    list_id = (await client.post("/v1/lists?name=l", content=f'{json.dumps(ME)}\n"other"\n', headers=NDJSON)).json()[
        "id"
    ]
    audience = {"kind": "users", "user_ids": [ME, "other"], "exclude": {"user_ids": ["third", ME]}}
    campaign = {"title": "t", "body": "b", "audience": audience}
    campaign_id = (await client.post("/v1/campaigns", json=campaign)).json()["id"]
    path = "/v1/users/user%2F1%20%C3%A9"
    await client.put("/v1/suppressions" + path.removeprefix("/v1"), json={"reason": "asked"})

    forgotten = (await client.delete(path)).json()

    assert forgotten == {"devices": 2, "lists": 1, "campaigns": 2, "suppressed": True}
    assert (await client.get("/v1/devices", params={"user_id": ME})).json()["items"] == []
    assert len((await client.get("/v1/devices", params={"user_id": "other"})).json()["items"]) == 1
    assert (await client.get(f"/v1/lists/{list_id}")).json()["size"] == 1
    read = (await client.get(f"/v1/campaigns/{campaign_id}")).json()["audience"]
    assert (read["sample"], read["exclude"]["user_count"]) == (["other"], 1)
    async with database.read() as tx:
        audiences = await tx.all(text("select audience::text as said from campaign"))
        entries = await tx.all(text("select * from audit_log where route like '/v1/users/%'"))
    assert ME not in "".join(json.dumps(json.loads(row.said), ensure_ascii=False) for row in audiences)
    assert len(entries) == 1
    assert ME not in str(entries)
    again = (await client.delete(path)).json()
    assert again == {"devices": 0, "lists": 0, "campaigns": 0, "suppressed": True}
