"""What became of it, asked of a large ledger: the push log, failures, an export, a forecast, a follow-up's planning."""

import asyncio
import time
from typing import Annotated, Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import httpx
import psutil  # type: ignore[import-untyped]  # it ships no types
import typer

from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from tests.benchmarks import ground
from tests.benchmarks.report import report

CAMPAIGNS = 10
SIZE = 500
ROUNDS = 20

CAMPAIGN = """
    insert into campaign (title, content, audience, priority, ttl_seconds, delivery, max_attempts, status, sent_at,
                          planned_at, completed_at, total, accepted, unregistered, dead)
    values ('finished', '{"title": "bench", "body": "bench"}', '{"kind": "all"}', 'normal', 86400, 'at_least_once', 4,
            'completed', now(), now(), now(), $1, $2, $3, $4)
    returning id
"""
BATCHES = """
    insert into campaign_batch (campaign_id, batch_no, lane, project_id, size, state, epoch, outcomes, reported, report,
                                first_id, last_id, finished_at)
    select $1, b, 'normal', 'default', $3::int, 'finished', 2, repeat('A', $3::int - length($4)) || $4, '',
           (select jsonb_object_agg(n::text, jsonb_build_array($5::text))
              from generate_series($3::int - length($4), $3::int - 1) as n),
           b * $3::int + 1, b * $3::int + $3::int, now()
      from generate_series(0, $2::int / $3::int - 1) as b
"""
DEVICES = """
    insert into campaign_batch_member (campaign_id, batch_no, near)
    select $1, b, array(select generate_series(0, $3::int - 1)::smallint)
      from generate_series(0, $2::int / $3::int - 1) as b
"""


def main(
    devices: Annotated[int, typer.Option(min=10_000)] = 1_000_000,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Milliseconds of the routes that look into the ledger, with ten finished campaigns to N devices each in it."""
    report(f"results, {CAMPAIGNS} campaigns to {devices:,} devices", asyncio.run(measure(devices)), as_json=json)


async def measure(devices: int) -> dict[str, Any]:
    """Run it on a fresh stack that sends nothing."""
    async with Stack(StackOptions(name="bench", senders=(), durable=False)) as stack:
        async with ground.ledger(stack.database_url) as ledger:
            await ground.fill(ledger, devices)
            for _ in range(CAMPAIGNS - 1):
                finished = await _finished(ledger, devices, "UUUUU", "UNREGISTERED")
            failed = await _finished(ledger, devices, "D" * SIZE, "UNAVAILABLE")
            await ledger.execute("vacuum analyze campaign_batch", timeout=600)
        headers = {"Authorization": f"Bearer {stack.operator_key}"}
        async with httpx.AsyncClient(base_url=stack.api_url, headers=headers, timeout=300, trust_env=False) as client:
            middle = f"/v1/push-log?device_id={devices // 2}"
            return {
                "push_log_device_ms": await _median(client, middle),
                "push_log_user_ms": await _median(client, f"/v1/push-log?user_id=user-{devices // 3}"),
                "batches_ms": await _median(client, f"/v1/campaigns/{finished}/batches"),
                "stats_ms": await _median(client, f"/v1/campaigns/{finished}/stats"),
                "explain_ms": await _median(client, f"/v1/campaigns/{finished}/explain"),
                "failures_1_percent_ms": await _median(client, f"/v1/campaigns/{finished}/failures", rounds=3),
                "failures_all_ms": await _median(client, f"/v1/campaigns/{failed}/failures", rounds=1),
                "forecast_ms": await _median(client, f"/v1/campaigns/{finished}/forecast", rounds=3),
                "export_ndjson": await _export(client, stack, f"/v1/campaigns/{finished}/export", devices),
                "export_csv": await _export(client, stack, f"/v1/campaigns/{finished}/export?format=csv", devices + 1),
                "follow_up_1_percent_planned_s": await _followed(client, finished, "unregistered", devices // 100),
                "follow_up_all_planned_s": await _followed(client, failed, "dead", devices),
            }


async def _finished(ledger: asyncpg.Connection, devices: int, failures: str, code: str) -> int:
    """A campaign whose batches all end with these letters and this code."""
    bad = devices // SIZE * len(failures)
    dead, gone = (bad, 0) if "D" in failures else (0, bad)
    campaign_id = int(await ledger.fetchval(CAMPAIGN, devices, devices - bad, gone, dead))
    await ledger.execute(BATCHES, campaign_id, devices, SIZE, failures, code, timeout=600)
    await ledger.execute(DEVICES, campaign_id, devices, SIZE, timeout=600)
    return campaign_id


async def _median(client: httpx.AsyncClient, path: str, rounds: int = ROUNDS) -> float:
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        (await client.get(path)).raise_for_status()
        taken.append((time.perf_counter() - began) * 1000)
    return round(sorted(taken)[len(taken) // 2], 1)


async def _export(client: httpx.AsyncClient, stack: Stack, path: str, lines: int) -> dict[str, float]:
    """Stream it all; the API's memory at its highest, and how long another request waited at the worst."""
    process = psutil.Process(stack.processes["api"].pid)
    before, cpu = process.memory_info().rss, sum(process.cpu_times()[:2])
    highest, worst, counted = before, 0.0, 0
    began = time.perf_counter()
    async with client.stream("GET", path) as answer:
        async for piece in answer.aiter_bytes():
            counted += piece.count(b"\n")
            if counted % 50_000 < SIZE:
                asked = time.perf_counter()
                (await client.get("/health/live")).raise_for_status()
                worst = max(worst, time.perf_counter() - asked)
                highest = max(highest, process.memory_info().rss)
    seconds = time.perf_counter() - began
    assert counted == lines, (counted, lines)
    return {
        "rows_per_second": round(lines / seconds),
        "api_cpu_us_per_row": round((sum(process.cpu_times()[:2]) - cpu) / lines * 1e6, 2),
        "memory_grown_mb": round((highest - before) / 1e6, 1),
        "others_waited_ms": round(worst * 1000, 1),
    }


async def _followed(client: httpx.AsyncClient, campaign_id: int, outcome: str, expected: int) -> float:
    """Seconds from the send of a follow-up until it is planned out."""
    draft = (await client.post(f"/v1/campaigns/{campaign_id}/follow-up", json={"outcomes": [outcome]})).json()
    began = time.perf_counter()
    (await client.post(f"/v1/campaigns/{draft['id']}/send")).raise_for_status()
    async with asyncio.timeout(300):
        while True:
            stats = (await client.get(f"/v1/campaigns/{draft['id']}/stats")).json()
            if stats["planned_at"] is not None:
                break
            await asyncio.sleep(0.05)
    assert stats["total_recipients"] == expected, stats
    return round(time.perf_counter() - began, 2)
