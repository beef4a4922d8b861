"""Devices through the API: NDJSON as an app's server streams it, and CSV with attributes as marketing uploads it."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

import httpx
import typer

from deploy.local import made_up
from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from tests.benchmarks.audiences import CSV, NDJSON, known, pieces
from tests.benchmarks.report import conclude, cpu

LEAST = 30_000


def main(
    devices: Annotated[int, typer.Option(min=1000)] = 300_000,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Devices a second, new ones, by the bulk route and by an import job; the bodies are made before the clock runs."""
    figures = asyncio.run(measure(devices))
    targets = {f"{LEAST:,} devices/s as {name}": one["per_second"] >= LEAST for name, one in figures.items()}
    conclude(f"import, {devices:,} devices", {"devices": devices, **figures}, targets, as_json=json)


async def measure(devices: int) -> dict[str, Any]:
    """Run both on a fresh stack, each with devices of its own."""
    figures = {}
    async with Stack(StackOptions(name="bench", senders=())) as stack:
        headers = {"Authorization": f"Bearer {stack.operator_key}"}
        async with httpx.AsyncClient(base_url=stack.api_url, headers=headers, timeout=600, trust_env=False) as client:
            for name, first in (("ndjson", 0), ("csv_with_attributes", devices)):
                numbers = range(first, first + devices)
                lines = made_up.lines(numbers) if name == "ndjson" else known(numbers)
                body = [piece async for piece in pieces(lines)]
                before, began = stack.cpu_seconds(), time.monotonic()
                await (_bulk(client, body, devices) if name == "ndjson" else _job(client, body, devices))
                seconds = time.monotonic() - began
                figures[name] = {
                    "per_second": round(devices / seconds),
                    "seconds": round(seconds, 2),
                    **cpu(before, stack.cpu_seconds(), devices),
                }
    return figures


async def _bulk(client: httpx.AsyncClient, body: Sequence[bytes], devices: int) -> None:
    answer = await client.post("/v1/devices/bulk", content=_stream(body), headers={"Content-Type": NDJSON})
    told = answer.raise_for_status().json()
    assert told["registered"] == devices, told


async def _job(client: httpx.AsyncClient, body: Sequence[bytes], devices: int) -> None:
    job = (await client.post("/v1/imports", json={"format": "csv"})).raise_for_status().json()
    path = f"/v1/imports/{job['id']}/lines"
    told = (await client.put(path, content=_stream(body), headers={"Content-Type": CSV})).raise_for_status().json()
    assert told["registered"] == devices, told


async def _stream(body: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in body:
        yield piece
