"""Campaigns in the air: overlapping audiences, every priority, some paused, cancelled, slow or short-lived."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import httpx

from deploy.local import made_up
from tests.chaos.stage import Stage

IN_THE_AIR = 5
FIRST_USERS, DEVICES_OF_USER = 16, 300
NEW_DEVICES = 150
"""Devices of a new user in every campaign: tokens that nobody knows yet to be dead."""
PLATFORMS = ("android", "ios", "web")
INSIST = 90.0
"""Seconds to try a call again that did not get through: longer than any fault lasts."""
OVER = ("completed", "cancelled", "failed")
UNDER_WAY = "select count(*) as n from campaign where status in ('sending', 'paused', 'cancelling')"


@dataclass
class Workload:
    """Operators at work until they are told to stop."""

    stage: Stage
    rng: Random
    users: list[str] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """Calls that never got through, which no fault explains."""
    _numbers: Any = field(default_factory=lambda: count(1))
    _acts: set[asyncio.Task[None]] = field(default_factory=set)

    async def prepare(self) -> None:
        """Register the first audience."""
        for _ in range(FIRST_USERS):
            await self.new_user(DEVICES_OF_USER)

    async def run(self) -> None:
        """Keep some campaigns in the air until cancelled."""
        while True:
            under_way = (await self.stage.rows(UNDER_WAY))[0]["n"]
            if under_way < IN_THE_AIR:
                await self._new_campaign()
            else:
                await asyncio.sleep(0.3)

    async def finish(self) -> None:
        """Let what was begun be done, and go on with whatever stands still."""
        if self._acts:
            await asyncio.wait(self._acts)
        for row in await self.stage.rows("select id from campaign where status = 'paused'"):
            await self._act(row["id"], "resume")

    async def send_to(self, users: list[str]) -> int:
        """Send one plain campaign; returns its id."""
        audience = {"kind": "users", "user_ids": users}
        answer = await self._call(
            "POST", "/v1/campaigns", json={"title": "Carillon", "body": "one bell", "audience": audience}
        )
        assert answer is not None, self.troubles
        campaign_id = int(answer.json()["id"])
        await self._act(campaign_id, "send")
        return campaign_id

    async def _new_campaign(self) -> None:
        rng = self.rng
        users = [await self.new_user(NEW_DEVICES), *rng.sample(self.users, rng.randint(1, 8))]
        campaign = {
            "title": "Carillon",
            "body": "every bell, once",
            "priority": rng.choice(("high", "normal", "normal", "low")),
            "audience": {"kind": "users", "user_ids": users},
            "delivery": rng.choice(("at_least_once", "at_most_once")),
            "max_attempts": rng.randint(3, 6),
            "ttl_seconds": rng.randint(4, 20) if rng.random() < 0.15 else 3600,
            "rate": round(rng.uniform(100, 400)) if rng.random() < 0.3 else None,
        }
        answer = await self._call("POST", "/v1/campaigns", json=campaign)
        if answer is None:
            return
        campaign_id = int(answer.json()["id"])
        await self._act(campaign_id, "send")
        self.sent.append(campaign_id)
        mood, wait, more = rng.random(), rng.uniform(0.5, 6.0), rng.uniform(1.0, 5.0)
        if mood < 0.2:
            self._later(self._paused(campaign_id, wait, more))
        elif mood < 0.4:
            self._later(self._cancelled(campaign_id, wait))

    async def _paused(self, campaign_id: int, wait: float, more: float) -> None:
        await asyncio.sleep(wait)
        await self._act(campaign_id, "pause")
        await asyncio.sleep(more)
        await self._act(campaign_id, "resume")

    async def _cancelled(self, campaign_id: int, wait: float) -> None:
        await asyncio.sleep(wait)
        await self._act(campaign_id, "cancel")

    def _later(self, act: Any) -> None:
        task = asyncio.create_task(act)
        self._acts.add(task)
        task.add_done_callback(self._acts.discard)

    async def _act(self, campaign_id: int, verb: str) -> None:
        """Do it; a conflict says that it was done already or that the campaign is over."""
        await self._call("POST", f"/v1/campaigns/{campaign_id}/{verb}")

    async def new_user(self, devices: int) -> str:
        """Register so many devices of a new user."""
        user = f"user-{len(self.users)}"
        lines = b"".join(
            json.dumps(
                {
                    "user_id": user,
                    "platform": PLATFORMS[number % len(PLATFORMS)],
                    "target": {"kind": "token", "value": made_up.token(next(self._numbers))},
                }
            ).encode()
            + b"\n"
            for number in range(devices)
        )
        await self._call("POST", "/v1/devices/bulk", content=lines, headers={"Content-Type": "application/x-ndjson"})
        self.users.append(user)
        return user

    async def _call(self, method: str, path: str, **request: Any) -> httpx.Response | None:
        """Ask the API until it answers; 409 is an answer, and what it refuses otherwise is a trouble."""
        deadline, said = time.monotonic() + INSIST, ""
        while time.monotonic() < deadline:
            try:
                answer = await self.stage.http.request(method, path, **request)
            except httpx.TransportError as error:
                said = f"{type(error).__name__}: {error}"
            else:
                if answer.is_success or answer.status_code == httpx.codes.CONFLICT:
                    return answer
                said = f"{answer.status_code} {answer.text[:200]}"
                if not answer.is_server_error:
                    break
            await asyncio.sleep(0.5)
        self.troubles.append(f"{method} {path} did not get through: {said}")
        return None


@contextlib.asynccontextmanager
async def at_work(workload: Workload) -> AsyncIterator[None]:
    """Have campaigns in the air while the block runs; an error of theirs is raised at its end."""
    task = asyncio.create_task(workload.run(), name="workload")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
