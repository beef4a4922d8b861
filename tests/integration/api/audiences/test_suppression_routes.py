"""The suppression list."""

from typing import Any

import httpx
import pytest

DEVICE: dict[str, Any] = {"user_id": "user-1", "platform": "ios", "target": {"kind": "token", "value": "t1"}}


async def test_users_are_put_on_the_list_once_and_taken_off(client: httpx.AsyncClient) -> None:
    """Known to the registry or not; who is on it stays as entered."""
    first = await client.post("/v1/suppressions/users", json={"user_ids": ["b", "a", "b"], "reason": "complaint"})
    assert first.json() == {"added": 2, "known": 0}
    again = await client.post("/v1/suppressions/users", json={"user_ids": ["a", "c"]})
    assert again.json() == {"added": 1, "known": 1}
    kept = await client.put("/v1/suppressions/users/a", json={"reason": "another"})
    assert (kept.status_code, kept.json()["reason"]) == (200, "complaint")
    page = (await client.get("/v1/suppressions/users", params={"limit": 2})).json()
    rest = (await client.get("/v1/suppressions/users", params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert sorted(entry["user_id"] for entry in page["items"] + rest["items"]) == ["a", "b", "c"]
    assert (await client.delete("/v1/suppressions/users/a")).status_code == 204
    assert (await client.get("/v1/suppressions/users/a")).status_code == 404


async def test_a_suppressed_device_shows_it_and_stays_so_when_it_comes_back(client: httpx.AsyncClient) -> None:
    """By its target, whoever it belongs to."""
    device_id = (await client.put("/v1/devices", json=DEVICE)).json()["id"]
    entry = await client.put(f"/v1/suppressions/devices/{device_id}", json={"reason": "broken"})
    assert (entry.json()["device_id"], entry.json()["reason"]) == (device_id, "broken")
    assert (await client.get(f"/v1/devices/{device_id}")).json()["suppressed"] is True
    await client.delete("/v1/users/user-1")
    assert (await client.get("/v1/suppressions/devices")).json()["items"][0]["device_id"] is None
    back = (await client.put("/v1/devices", json={**DEVICE, "user_id": "heir"})).json()
    assert back["suppressed"] is True
    assert (await client.delete(f"/v1/suppressions/devices/{back['id']}")).status_code == 204
    assert (await client.get(f"/v1/devices/{back['id']}")).json()["suppressed"] is False


@pytest.mark.parametrize(
    ("method", "path", "slug"),
    [
        ("GET", "/v1/suppressions/users/nobody", "no-such-suppression"),
        ("DELETE", "/v1/suppressions/users/nobody", "no-such-suppression"),
        ("PUT", "/v1/suppressions/devices/7", "no-such-device"),
        ("DELETE", "/v1/suppressions/devices/7", "no-such-suppression"),
    ],
)
async def test_what_is_not_there_is_told_so(client: httpx.AsyncClient, method: str, path: str, slug: str) -> None:
    """By kind."""
    answer = await client.request(method, path, json={} if method == "PUT" else None)
    assert (answer.status_code, answer.json()["type"]) == (404, f"urn:carillon:problem:{slug}")
