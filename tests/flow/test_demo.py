"""The demo as anybody runs it first: everything embedded, one campaign, every device accounted for."""

import asyncio
import json
import sys

import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest

from deploy.local.folders import REPOSITORY
from tests.support.servers import Servers

DEVICES = 1_000


@pytest.mark.timeout(240)
async def test_the_demo_accounts_for_every_device_and_leaves_nothing_running(servers: Servers) -> None:
    """Exit 0, a balanced ledger that FCM's own record confirms, one JSON line last."""
    before = set(psutil.pids())
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.local", "demo", "--devices", str(DEVICES), "--json"),
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, told = await demo.communicate()
    assert demo.returncode == 0, told.decode()
    figures = json.loads(out.decode().splitlines()[-1])
    outcomes = ("accepted", "unregistered", "rejected", "expired", "cancelled", "skipped", "dead", "unknown")
    assert figures["devices"] == DEVICES == sum(figures[name] for name in outcomes)
    assert figures["pending"] == 0
    assert figures["balanced"] is True
    assert figures["record_agrees"] is True
    assert 0 < figures["unregistered"] < DEVICES / 20, "about 1 % of the tokens are dead"
    assert b"balanced" in told
    assert [pid for pid in set(psutil.pids()) - before if mentions_a_demo(pid)] == []


def mentions_a_demo(pid: int) -> bool:
    """Whether a process was started by a demo: each has its folder in the command line or the environment."""
    try:
        process = psutil.Process(pid)
        return any("/.local/demo-" in part for part in (*process.cmdline(), *process.environ().values()))
    except psutil.Error:
        return False
