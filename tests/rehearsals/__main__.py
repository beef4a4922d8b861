"""`python -m tests.rehearsals [NAME...] [--json]`: bad days, one after the other, on one local stack."""

import asyncio
import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

from tests.flow.system import System
from tests.rehearsals.day import Day
from tests.rehearsals.days import DAYS
from tests.rehearsals.playing import play
from tests.rehearsals.stage import fresh_system

app = typer.Typer(add_completion=False)


@app.command()
def rehearse(
    names: Annotated[list[str] | None, typer.Argument(help="Days to play; none: all.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a day on standard output.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Tell the days and what they expect.")] = False,
) -> None:
    """Play bad days at FCM; exit 0 only if each ends as promised."""
    console = Console(stderr=as_json)
    if listed:
        for day in DAYS:
            console.print(f"[bold]{day.name}[/]  {day.story}", highlight=False)
        return
    unknown = set(names or ()) - {day.name for day in DAYS}
    if unknown:
        raise typer.BadParameter(f"no such day: {', '.join(sorted(unknown))}; --list names them")
    chosen = [day for day in DAYS if not names or day.name in names]
    passed = asyncio.run(_play_all(chosen, console, as_json=as_json))
    sys.exit(0 if passed else 1)


async def _play_all(days: list[Day], console: Console, *, as_json: bool) -> bool:
    passed = True
    console.print("· starting PostgreSQL, RabbitMQ, the FCM emulator and the services")
    async with fresh_system() as system:
        for day in days:
            told = await _play_one(system, day)
            passed = passed and not told["faults"]
            if as_json:
                sys.stdout.write(json.dumps(told) + "\n")
                sys.stdout.flush()
            _tell(console, day, told)
        if not passed:
            raise SystemExit(f"a day did not end as promised; logs and ledger: {system.stack.folder}")
    return passed


async def _play_one(system: System, day: Day) -> dict[str, Any]:
    try:
        played = await play(system, day)
    except AssertionError as error:
        return {"day": day.name, "faults": [str(error)]}
    return {
        "day": day.name,
        "seconds": played.seconds,
        "letters": dict(played.letters),
        "answers": played.answers,
        "duplicates": played.duplicates,
        "events": {name: count for name, count in sorted(played.heard.items()) if "progress" not in name},
        "faults": played.faults,
    }


def _tell(console: Console, day: Day, told: dict[str, Any]) -> None:
    verdict = "[bold red]FAILED[/]" if told["faults"] else "[bold green]as promised[/]"
    console.print(f"{verdict} {day.name} ({told.get('seconds', '?')} s): {day.story}", highlight=False)
    for fault in told["faults"]:
        console.print(f"  - {fault}", markup=False, highlight=False)


if __name__ == "__main__":
    app()
