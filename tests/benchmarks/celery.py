"""The article's system beside Carillon: the same campaign, on the same emulator, broker and database, in one run."""

import asyncio
import json as jsonlib
import os
import subprocess
import sys
import venv
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import typer

from deploy.local.campaign_run import CAMPAIGN
from deploy.local.client import OperatorClient
from deploy.local.folders import LOCAL, REPOSITORY
from deploy.local.guardian import Guardian
from deploy.local.options import StackOptions
from deploy.local.process import ManagedProcess
from deploy.local.stack import Stack
from tests.benchmarks.flow import together
from tests.benchmarks.ground import fill, ledger
from tests.benchmarks.report import conclude, cpu
from tests.support.eventually import eventually

TIMES = 25
LOCK = REPOSITORY / "requirements-bench.lock"
HOME = LOCAL / "article-venv"
ARTICLE = "article"
"""Its database, its vhost and its worker's name."""
SENDERS = ("high,normal,low",) * 2
"""As many processes as there are cores, where the article's system has two for each."""
SHARES = ("--share", "UNREGISTERED=0.01")
"""Without answers to be repeated: these systems wait for different times, which is not what is compared."""
TOOK = "select extract(epoch from completed_at - sent_at)::float8 from campaign where id = $1 and status = 'completed'"


def main(
    devices: Annotated[int, typer.Option(min=1_000, help="Devices for Carillon, each time.")] = 300_000,
    article: Annotated[int, typer.Option(min=500, help="Devices for the article's system, each time.")] = 15_000,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Turns that the two take.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Its worker processes.")] = 4,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Devices a second from send to completion: Carillon's, then the article's, and how many times that is."""
    python = environment()
    figures = asyncio.run(measure(python, devices, article, rounds, workers))
    targets = {
        f"{TIMES} times the article's rate": figures["times"] >= TIMES,
        "the article's system reached every device": figures["article"]["messages"] == article * rounds,
    }
    conclude(f"celery, {rounds} times {devices:,} and {article:,} devices", figures, targets, as_json=json)


def environment() -> Path:
    """Its virtual environment's Python; made and filled when the lock has changed."""
    python, mark = HOME / "bin" / "python", HOME / "lock.sum"
    wanted = str(zlib.crc32(LOCK.read_bytes()))
    if not mark.exists() or mark.read_text() != wanted:
        sys.stderr.write(f"carillon: installing {LOCK.name} into {HOME.relative_to(REPOSITORY)} (a minute, once)\n")
        venv.create(HOME, clear=True, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*pip, "-r", str(LOCK)], check=True)  # noqa: S603 - our own command
        mark.write_text(wanted)
    return python


async def measure(python: Path, devices: int, article: int, rounds: int, workers: int) -> dict[str, Any]:
    """Let the two take turns on one stack; each campaign is sent as its operator sends it."""
    ours, theirs = [], []
    async with Stack(StackOptions(name="bench", senders=SENDERS, emulator=SHARES)) as stack:
        async with ledger(stack.database_url) as connection:
            await fill(connection, devices)
            await connection.execute(f"create database {ARTICLE}")
        stack.broker.create_vhost(ARTICLE)
        for turn in range(rounds):
            if turn:
                for service in stack.services.values():
                    await asyncio.to_thread(service.start)
            async with ledger(stack.database_url) as connection:
                await connection.execute("update device set active = true")
                ours.append(await _carillon(stack, connection, devices))
            for service in stack.services.values():
                # They would idle, but their CPU is the article's to use.
                await asyncio.to_thread(service.process.stop, 30)
            theirs.append(await _article(stack, python, article, workers))
    mine, other = together(ours), together(theirs)
    return {"carillon": mine, "article": other, "times": round(mine["per_second"] / other["per_second"], 1)}


async def _carillon(stack: Stack, connection: asyncpg.Connection, devices: int) -> dict[str, Any]:
    async with OperatorClient(stack.api_url, stack.operator_key) as client:
        campaign = (await client.create_campaign(CAMPAIGN))["id"]
        before = stack.cpu_seconds()
        await client.send_campaign(campaign)
    seconds = await eventually(lambda: connection.fetchval(TOOK, campaign), within=300)
    return _figures(devices, seconds, before, stack.cpu_seconds())


async def _article(stack: Stack, python: Path, devices: int, workers: int) -> dict[str, Any]:
    """Start its workers, then have it make its devices and send; the CPU is the workers' and the servers'."""
    surroundings = {
        **os.environ,
        **{name: value for name, value in stack.environment().items() if name.startswith("CARILLON_FCM_")},
        "ARTICLE_DATABASE_URL": stack.postgres.url(ARTICLE),
        "ARTICLE_BROKER_URL": stack.broker.amqp_url(ARTICLE),
        "REQUESTS_CA_BUNDLE": str(stack.emulator.ca_file),
    }
    with Guardian() as guardian:
        log = stack.folder / "logs" / f"{ARTICLE}.log"
        worker = ManagedProcess(
            ARTICLE,
            [
                *(python, "-m", "celery", "-A", "tests.benchmarks.article.celery_app", "worker"),
                *("--concurrency", str(workers), "--loglevel", "INFO", "--without-gossip", "--without-mingle"),
            ],
            guardian=guardian,
            log=log,
            environment=surroundings,
            ready=lambda: " ready." in log.read_text(errors="replace"),
        )
        worker.start()
        try:
            await asyncio.to_thread(worker.wait_ready)
            before = {**stack.cpu_seconds(), ARTICLE: worker.cpu_seconds()}
            told = await _run(python, devices, surroundings)
            after = {**stack.cpu_seconds(), ARTICLE: worker.cpu_seconds()}
        finally:
            await asyncio.to_thread(worker.stop, 20.0)
    return _figures(told["devices"], told["seconds"], before, after)


def _figures(devices: int, seconds: float, before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, Any]:
    """One turn's, as `flow` tells them."""
    return {
        "messages": devices,
        "seconds": seconds,
        "per_second": round(devices / seconds),
        **cpu(before, after, devices),
    }


async def _run(python: Path, devices: int, surroundings: Mapping[str, str]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(python, "-m", "tests.benchmarks.article", str(devices)),
        cwd=REPOSITORY,
        env=surroundings,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the article's system ended with code {process.returncode}; its error is above")
    told: dict[str, Any] = jsonlib.loads(output)
    return told
