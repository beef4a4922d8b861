"""The demo: a new stack, N devices, one campaign, and the audit of its ledger."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from deploy.local.audit import Audit, audit
from deploy.local.campaign_run import Measures, register, send_and_follow
from deploy.local.client import Document, OperatorClient
from deploy.local.errors import UnbalancedError
from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from shared.ledger.letters import NAMES

_MEANINGS = {
    "accepted": "FCM took the message",
    "unregistered": "the token is dead, the device is inactive now",
    "rejected": "refused for good",
    "unknown": "may have been sent, nobody answered",
    "dead": "retries exhausted",
    "expired": "too late to be sent",
    "cancelled": "called off before it was sent",
    "skipped": "suppressed or inactive by then",
    "pending": "no outcome",
}


@dataclass(frozen=True)
class DemoOptions:
    """What the command line asked for."""

    devices: int
    senders: int = 1
    seed: int = 0
    as_json: bool = False


async def demo(options: DemoOptions) -> bool:
    """Run it; True when the ledger balances and the emulator's record agrees device by device."""
    # With --json everything for people goes to stderr: stdout holds the one line for the script.
    console = Console(stderr=options.as_json)
    stack_options = StackOptions(
        name="demo",
        senders=("high,normal,low",) * options.senders,
        emulator=("--seed", str(options.seed)),
        say=lambda text: console.print(f"· {text}", markup=False, highlight=False),
    )
    measures, verdict = Measures(options.devices), Audit()
    passed = True
    try:
        async with Stack(stack_options) as stack, OperatorClient(stack.api_url, stack.operator_key) as client:
            with _bars(console) as bars:
                await stack.guarded(_run(stack, client, measures, bars))
            stack_options.say("comparing the ledger with the emulator's own record, device by device")
            verdict = await audit(stack.database_url, measures.campaign_id, stack.emulator.record())
            stack_options.say("stopping everything")
            _judge(measures, verdict, stack.folder)
    except UnbalancedError as error:
        passed = False
        stack_options.say(str(error))
    _tell(console, measures, verdict)
    if options.as_json:
        extra = {"record_agrees": verdict.agrees, "duplicates": verdict.duplicates}
        sys.stdout.write(json.dumps({**measures.as_json(), **extra}) + "\n")
    return passed


def _judge(measures: Measures, verdict: Audit, folder: Path) -> None:
    """Raise `UnbalancedError`, which keeps the folder: whoever looks into it needs its logs and its ledger."""
    if not (measures.balanced and verdict.agrees):
        raise UnbalancedError(f"Its logs and its ledger are kept in {folder}.")


async def _run(stack: Stack, client: OperatorClient, measures: Measures, bars: Progress) -> None:
    total = measures.devices
    registering = bars.add_task("register devices", total=total, rate="")
    measures.registered_per_second = await register(
        client, total, lambda done: bars.update(registering, completed=done)
    )
    bars.update(registering, rate=f"{measures.registered_per_second:,.0f}/s")
    sending = bars.add_task("send campaign", total=total, rate="")

    def show(stats: Document) -> None:
        settled = sum(stats["outcomes"].values()) - stats["outcomes"]["pending"]
        task = bars.tasks[sending]
        rate = f"{task.speed:,.0f}/s" if task.speed and not task.finished else ""
        bars.update(sending, completed=settled, rate=rate)

    await send_and_follow(stack, client, measures, show)
    bars.update(sending, rate=f"{measures.per_second or 0:,.0f}/s")


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("  {task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )


def _tell(console: Console, measures: Measures, verdict: Audit) -> None:
    """Print the ledger by outcome, its seal, and what the emulator's record says to it."""
    table = Table(title=f"Ledger of campaign {measures.campaign_id}", title_justify="left")
    for heading, justify in (("outcome", "left"), ("letter", "center"), ("devices", "right"), ("", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # the literals above are its own
    for letter, name in reversed(list(NAMES.items())):
        count = measures.outcomes.get(name, 0)
        table.add_row(name, letter, f"{count:,}", _MEANINGS[name], style="" if count else "dim")
    console.print(table)
    total = sum(measures.outcomes.values())
    if measures.balanced:
        console.print(f"[bold green]balanced[/]: {total:,} of {measures.devices:,} devices, one outcome each")
    else:
        pending = measures.outcomes.get("pending", 0)
        console.print(
            f"[bold red]NOT BALANCED[/]: {measures.devices:,} devices, {total:,} in the ledger, {pending:,} pending"
        )
    if verdict.agrees:
        console.print(
            f"[bold green]the emulator's own record agrees[/], device by device; "
            f"sent twice: {verdict.duplicates:,}, all within the stated bound"
            if verdict.duplicates
            else "[bold green]the emulator's own record agrees[/], device by device; sent twice: 0"
        )
    for fault in verdict.faults:
        console.print(f"[bold red]the emulator's record disagrees[/]: {escape(fault)}")
    console.print(
        f"{measures.per_second or 0:,.0f} devices/s; first push after {measures.first_push_ms or 0:,.0f} ms, "
        f"planned after {measures.planned_s or 0:.1f} s, ended after {measures.wall_s or 0:.1f} s",
        soft_wrap=True,
    )
