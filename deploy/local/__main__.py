"""`python -m deploy.local`: the commands behind `./run demo` and `./run up`."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from deploy.local.demo import DemoOptions
from deploy.local.demo import demo as run_demo
from deploy.local.errors import LocalStackError
from deploy.local.options import StackOptions
from deploy.local.up import up as run_up

T = TypeVar("T")

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended, as shells have it."""

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)


@app.command()
def demo(
    devices: Annotated[int, typer.Option(min=1, help="How many devices to register and push to.")] = 100_000,
    senders: Annotated[int, typer.Option(min=1, help="How many sender processes.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the emulator's outcomes.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="End with one JSON line on stdout.")] = False,
) -> None:
    """Run the whole system on made-up devices; exit 0 only when every device is accounted for."""
    passed = _run(run_demo(DemoOptions(devices=devices, senders=senders, seed=seed, as_json=json)))
    raise typer.Exit(0 if passed else 1)


@app.command()
def up(
    name: Annotated[str, typer.Option(help="Folder below .local for the data; one stack at a time on each.")] = "up",
    senders: Annotated[int, typer.Option(min=1, help="How many sender processes.")] = 1,
    port: Annotated[int | None, typer.Option(help="Port of the API; a free one when not given.")] = None,
) -> None:
    """Run the stack until Ctrl-C and print its addresses; data is kept."""
    console = Console()
    options = StackOptions(
        name=name,
        keep=True,
        senders=("high,normal,low",) * senders,
        api_port=port,
        say=lambda text: console.print(f"· {text}", markup=False, highlight=False),
    )
    _run(run_up(options, console), interrupted=0)


def _run(work: Coroutine[Any, Any, T], *, interrupted: int = INTERRUPTED) -> T:
    """Run to the end or to the first Ctrl-C, which stops in order; the second ends us at once."""
    try:
        return asyncio.run(_interruptible(work))
    except LocalStackError as error:
        sys.stderr.write(f"carillon: {error}\n")
        raise typer.Exit(1) from None
    except asyncio.CancelledError:
        raise typer.Exit(interrupted) from None


async def _interruptible(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine always runs in one
    signals = 0

    def on_signal() -> None:
        nonlocal signals
        signals += 1
        if signals == 1:
            task.cancel()
        else:
            # The guardian sees our end and ends what is left.
            os._exit(INTERRUPTED)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    return await work


if __name__ == "__main__":
    app()
