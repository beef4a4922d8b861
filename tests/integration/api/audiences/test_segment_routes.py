"""Saved segments."""

from typing import Any

import httpx
import pytest

FILTER: dict[str, Any] = {"all": [{"field": "platform", "in": ["ios"]}, {"attribute": "plan", "eq": "pro"}]}


async def create(client: httpx.AsyncClient, name: str = "Pro") -> httpx.Response:
    """Save a segment."""
    answer = await client.post("/v1/segments", json={"name": name, "filter": FILTER})
    assert answer.status_code == 201, answer.text
    return answer


async def test_a_segment_reads_as_it_was_written_and_changes_under_its_etag(client: httpx.AsyncClient) -> None:
    """Who has an old one is told."""
    created = await create(client)
    path = created.headers["Location"]
    read = await client.get(path)
    assert read.json() == created.json()
    assert (read.json()["filter"], read.json()["revision"]) == (FILTER, 1)
    other = {"name": "Any", "filter": {"field": "platform", "in": ["web"]}}
    assert (await client.put(path, json=other)).status_code == 428
    changed = await client.put(path, json=other, headers={"If-Match": read.headers["ETag"]})
    assert (changed.status_code, changed.json()["revision"], changed.json()["name"]) == (200, 2, "Any")
    stale = await client.put(path, json=other, headers={"If-Match": read.headers["ETag"]})
    assert stale.status_code == 412
    assert (await client.get("/v1/segments")).json()["items"] == [changed.json()]


async def test_names_are_one_segments_each(client: httpx.AsyncClient) -> None:
    """At the creation and at a change."""
    await create(client)
    second = await create(client, "Other")
    body = {"name": "Pro", "filter": FILTER}
    for answer in (
        await client.post("/v1/segments", json=body),
        await client.put(second.headers["Location"], json=body, headers={"If-Match": "*"}),
    ):
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:carillon:problem:name-taken")


async def test_a_segment_that_a_draft_needs_stays_and_one_that_was_sent_to_may_go(client: httpx.AsyncClient) -> None:
    """The campaign shows what it was sent to."""
    path = (await create(client)).headers["Location"]
    segment_id = int(path.rsplit("/", 1)[1])
    drafts = [
        (await client.post("/v1/campaigns", json={"title": "t", "body": "b", "audience": audience})).json()["id"]
        for audience in (
            {"kind": "segment", "segment_id": segment_id},
            {"kind": "all", "exclude": {"segment_ids": [segment_id]}},
        )
    ]
    for draft in drafts:
        refused = await client.delete(path)
        assert (refused.status_code, draft in refused.json()["campaigns"]) == (409, True)
        assert (await client.post(f"/v1/campaigns/{draft}/send")).status_code == 202
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404
    audience = (await client.get(f"/v1/campaigns/{drafts[0]}")).json()["audience"]
    assert (audience["segment_id"], audience["filter"]) == (segment_id, FILTER)
    assert audience["frozen_at"] is not None


async def test_a_clone_of_what_was_sent_takes_the_segment_as_it_is_then(client: httpx.AsyncClient) -> None:
    """What was frozen was the other campaign's."""
    segment_id = (await create(client)).json()["id"]
    campaign = {"title": "t", "body": "b", "audience": {"kind": "segment", "segment_id": segment_id}}
    campaign_id = (await client.post("/v1/campaigns", json=campaign)).json()["id"]
    await client.post(f"/v1/campaigns/{campaign_id}/send")
    clone = await client.post(f"/v1/campaigns/{campaign_id}/clone")
    assert clone.status_code == 201, clone.text
    audience = clone.json()["audience"]
    assert (audience["segment_id"], audience["filter"], audience["frozen_at"]) == (segment_id, None, None)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"filter": {}}, "/filter"),
        ({"filter": {"all": [{"field": "locale", "in": ["%"]}]}}, "/filter/all/0/in/0"),
        ({"filter": {"not": {"attribute": "a", "eq": {}}}}, "/filter/not/eq"),
    ],
)
async def test_what_is_no_segment_is_told_where(
    client: httpx.AsyncClient, change: dict[str, Any], pointer: str
) -> None:
    """Down to the value."""
    answer = await client.post("/v1/segments", json={"name": "n", "filter": FILTER, **change})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
