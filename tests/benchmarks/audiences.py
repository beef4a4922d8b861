"""Devices in, audiences counted: imports as a stream, as NDJSON and CSV jobs, an uploaded list, and estimates."""

import asyncio
import csv
import io
import statistics
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice
from typing import Annotated, Any

import httpx
import psutil  # type: ignore[import-untyped]  # it ships no types
import typer

from deploy.local import made_up
from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from tests.benchmarks.report import cpu_per_message, report

NDJSON, CSV = "application/x-ndjson", "text/csv"
PIECE = 500
ROUNDS = 3
SEEN = "2026-10-01T00:00:00Z"


def main(
    devices: Annotated[int, typer.Option(min=1000)] = 1_000_000,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Devices a second of each import, with CPU and memory of the API; seconds that audiences take to be counted."""
    report(f"audiences, {devices:,} devices", asyncio.run(measure(devices)), as_json=json)


async def measure(devices: int) -> dict[str, Any]:
    """Run it on a fresh stack."""
    async with Stack(StackOptions(name="bench", senders=())) as stack:
        headers = {"Authorization": f"Bearer {stack.operator_key}"}
        async with httpx.AsyncClient(base_url=stack.api_url, headers=headers, timeout=600, trust_env=False) as client:
            return await Run(stack, client, devices).all()


class Run:
    """One run; what it measures is in `figures`."""

    def __init__(self, stack: Stack, client: httpx.AsyncClient, devices: int) -> None:
        self._stack = stack
        self._client = client
        self._devices = devices
        self._api = psutil.Process(stack.processes["api"].pid)
        self.figures: dict[str, Any] = {"devices": devices, "api_memory_mb_before": self._memory()}

    async def all(self) -> dict[str, Any]:
        """Every measure, in an order that each finds what it needs."""
        numbers = range(self._devices)
        await self._import("bulk_ndjson", self._bulk(made_up.lines(numbers)))
        await self._import("bulk_ndjson_again", self._bulk(made_up.lines(numbers)))
        await self._import("job_csv_with_attributes", self._job("csv", CSV, known(numbers)))
        await self._import("job_ndjson_again", self._job("ndjson", NDJSON, made_up.lines(numbers)))
        users = (f'"user-{number}"\n'.encode() for number in numbers)
        list_id = (await self._import("list", self._send("POST", "/v1/lists?name=bench", NDJSON, users)))["id"]
        for name, audience in audiences(list_id).items():
            await self._estimate(name, audience)
        return self.figures

    async def _bulk(self, lines: Iterator[bytes]) -> dict[str, Any]:
        return await self._send("POST", "/v1/devices/bulk", NDJSON, lines)

    async def _job(self, kind: str, media: str, lines: Iterator[bytes]) -> dict[str, Any]:
        job = (await self._client.post("/v1/imports", json={"format": kind})).raise_for_status().json()
        return await self._send("PUT", f"/v1/imports/{job['id']}/lines", media, lines)

    async def _send(self, method: str, path: str, media: str, lines: Iterator[bytes]) -> dict[str, Any]:
        answer = await self._client.request(method, path, content=pieces(lines), headers={"Content-Type": media})
        assert answer.is_success, answer.text
        document: dict[str, Any] = answer.json()
        assert document["received"] >= self._devices, document
        assert document["rejected"] == 0, document
        return document

    async def _import(self, name: str, work: Any) -> dict[str, Any]:
        before, began = self._stack.cpu_seconds(), time.monotonic()
        document: dict[str, Any] = await work
        seconds = time.monotonic() - began
        cpu = cpu_per_message(before, self._stack.cpu_seconds(), self._devices)
        self.figures[name] = {
            "per_second": round(self._devices / seconds),
            "api_cpu_us": cpu["api"],
            "postgres_cpu_us": cpu["postgres"],
            "api_memory_mb": self._memory(),
        }
        return document

    async def _estimate(self, name: str, audience: dict[str, Any]) -> None:
        """Count it some times. A count that is given up, on a machine that is too busy, has no devices."""
        taken, devices = [], None
        before = self._stack.cpu_seconds()["postgres"]
        for _ in range(ROUNDS):
            began = time.monotonic()
            answer = await self._client.post("/v1/audiences/estimate", json={"audience": audience})
            taken.append(time.monotonic() - began)
            devices = answer.json().get("devices")
        self.figures[f"estimate_{name}"] = {
            "devices": devices,
            "seconds": round(statistics.median(taken), 3),
            "seconds_worst": round(max(taken), 3),
            "postgres_cpu_seconds": round((self._stack.cpu_seconds()["postgres"] - before) / ROUNDS, 3),
        }

    def _memory(self) -> int:
        return int(self._api.memory_info().rss / 1e6)


def audiences(list_id: int) -> dict[str, dict[str, Any]]:
    """What is counted, by name."""
    conditions = [
        {"field": "platform", "in": ["android", "ios"]},
        {"field": "app_version", "gte": "3.5", "lt": "3.15"},
        {"field": "last_seen", "after": "2026-01-01T00:00:00Z"},
        {"attribute": "score", "exists": True},
        {"not": {"field": "locale", "language": ["ja"]}},
    ]
    return {
        "all": {"kind": "all"},
        "users": {"kind": "users", "user_ids": [f"user-{number * 31}" for number in range(10_000)]},
        "attribute": {"kind": "segment", "filter": {"attribute": "plan", "eq": "pro"}},
        "five_conditions": {"kind": "segment", "filter": {"all": conditions}},
        "list": {"kind": "list", "list_id": list_id},
        "all_but_list": {"kind": "all", "exclude": {"list_ids": [list_id]}},
    }


def known(numbers: Iterable[int]) -> Iterator[bytes]:
    """Lines of CSV: the made-up devices with what an app tells of them."""
    names = ("user_id", "platform", "token", "locale", "time_zone", "app_version", "last_seen")
    yield ",".join([*names, "attributes.plan", "attributes.score", "attributes.city"]).encode() + b"\n"
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number in numbers:
        locale, plan = ("ko-KR", "ko-KR", "en-US", "ja-JP")[number % 4], "pro" if number % 4 == 0 else "free"
        writer.writerow(
            (
                f"user-{number // 3}",
                "ios" if number % 3 == 0 else "android",
                made_up.token(number),
                locale,
                "Asia/Seoul",
                f"3.{number % 20}.0",
                SEEN,
                plan,
                number % 1000,
                f"city-{number % 500}",
            )
        )
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


async def pieces(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    """A body as it is sent."""
    while piece := b"".join(islice(lines, PIECE)):
        yield piece
