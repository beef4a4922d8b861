"""Sending one message as any FCM client would."""

import httpx


async def send(http: httpx.AsyncClient, token: str, *, tag: str | None = None) -> httpx.Response:
    """Post a message for a token to the project `demo`."""
    message: dict[str, object] = {"token": token, "notification": {"title": "종", "body": "🔔"}}
    if tag:
        message["android"] = {"notification": {"tag": tag}}
    return await http.post("/v1/projects/demo/messages:send", json={"message": message})
