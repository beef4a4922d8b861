"""HEAD over a running API."""

import httpx
import pytest


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/health/live", 200),
        ("/health/ready", 200),
        ("/metrics", 200),
        ("/openapi.json", 200),
        ("/v1/campaigns", 200),
        ("/v1/events", 200),
        ("/v1/campaigns/4711/export", 404),
        ("/v1/nowhere", 404),
        ("/v1/audiences/estimate", 405),
    ],
)
async def test_head_answers_as_get_does_without_the_body(client: httpx.AsyncClient, path: str, status: int) -> None:
    """The next request on its connection is answered too; an event stream is not begun."""
    for _ in range(2):
        answer = await client.head(path)
        assert (answer.status_code, answer.content) == (status, b"")
        assert answer.headers["X-Request-ID"]
    if path.startswith("/v1"):
        assert (await client.head(path, headers={"Authorization": "Bearer wrong"})).status_code == 401


async def test_head_tells_the_headers_of_get(client: httpx.AsyncClient) -> None:
    """Its length and its type."""
    head, get = await client.head("/v1/campaigns"), await client.get("/v1/campaigns")
    for name in ("Content-Type", "Content-Length", "Cache-Control"):
        assert head.headers[name] == get.headers[name]
