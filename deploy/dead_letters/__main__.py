"""`python -m deploy.dead_letters`: list, show, replay and discard dead letters through the operators' HTTP API.

The API's address is CARILLON_API_URL or --api, the key CARILLON_OPERATOR_KEY or the content of --key-file.
"""

import json
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console

from deploy.dead_letters import showing
from deploy.dead_letters.desk import TIMEOUT, Desk, DeskError, Document
from shared.values import base_url
from shared.version import USER_AGENT

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)

connect: Callable[[str, str], httpx.Client] = lambda url, key: httpx.Client(  # noqa: E731 - replaced whole by tests
    base_url=url,
    headers={"Authorization": f"Bearer {key}", "User-Agent": USER_AGENT},
    timeout=TIMEOUT,
    trust_env=False,
)

Queue = Annotated[str | None, typer.Option(help="Only those that were in this queue.")]
Reason = Annotated[str | None, typer.Option(help="Only those that died of this: the whole of it, as it is listed.")]
Ids = Annotated[list[str] | None, typer.Option("--id", help="This one; may be given again.")]
Every = Annotated[bool, typer.Option("--all", help="All there are, or all that match the rest.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell how many it would be.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")]


@app.callback()
def address(
    context: typer.Context,
    api: Annotated[str, typer.Option(envvar="CARILLON_API_URL", help="Address of the API.")] = "http://127.0.0.1:8000",
    key_file: Annotated[Path | None, typer.Option(help="File with the key, instead of CARILLON_OPERATOR_KEY.")] = None,
) -> None:
    """Dead letters: what no service could handle, to be looked at, replayed or discarded."""
    context.obj = (api, key_file)


@app.command("list")
def list_letters(
    context: typer.Context,
    queue: Queue = None,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Letters shown; groups count all.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Group them by queue and reason, and show the oldest. They stay where they are."""
    with _desk(context) as desk:
        found = desk.look(queue=queue, reason=reason, limit=limit)
        _tell(found, as_json=as_json, show=showing.listing)


@app.command()
def show(
    context: typer.Context,
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="As it is listed.")],
    as_json: AsJson = False,
) -> None:
    """Read one whole: where it was, why it died, its headers and its body."""
    with _desk(context) as desk:
        _tell(desk.read(letter_id), as_json=as_json, show=showing.letter)


@app.command()
def replay(
    context: typer.Context,
    ids: Ids = None,
    queue: Queue = None,
    reason: Reason = None,
    every: Every = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Put them back into the queues they came from. What has long been done is not done twice."""
    _settle(context, "replay", _chosen(ids, queue, reason, every=every, dry_run=dry_run), as_json=as_json)


@app.command()
def discard(
    context: typer.Context,
    ids: Ids = None,
    queue: Queue = None,
    reason: Reason = None,
    every: Every = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Throw them away, for good. No device is lost: the ledger brings back what they referred to."""
    _settle(context, "discard", _chosen(ids, queue, reason, every=every, dry_run=dry_run), as_json=as_json)


def _chosen(ids: list[str] | None, queue: str | None, reason: str | None, *, every: bool, dry_run: bool) -> Document:
    if not ids and queue is None and reason is None and not every:
        raise typer.BadParameter("Say which: --id, --queue, --reason, or --all.")
    chosen: Document = {"ids": ids or None, "queue": queue, "reason": reason, "all": every, "dry_run": dry_run}
    return {name: value for name, value in chosen.items() if value}


def _settle(context: typer.Context, verb: str, chosen: Document, *, as_json: bool) -> None:
    with _desk(context) as desk:
        done = desk.settle(verb, chosen)
        _tell(done, as_json=as_json, show=lambda console, told: showing.outcome(console, verb, told))
    if not done["dry_run"] and (done["failed"] or not done["complete"]):
        raise typer.Exit(1)


def _tell(document: Document, *, as_json: bool, show: Callable[[Console, Document], None]) -> None:
    if as_json:
        sys.stdout.write(f"{json.dumps(document)}\n")
    else:
        show(Console(), document)


@contextmanager
def _desk(context: typer.Context) -> Generator[Desk]:
    """The desk at the given address; what goes wrong there ends the command with its sentence."""
    url, key_file = context.obj
    try:
        with connect(_address(url), _key(key_file)) as http:
            yield Desk(http)
    except DeskError as error:
        sys.stderr.write(f"carillon: {error}\n")
        raise typer.Exit(1) from None


def _address(url: str) -> str:
    try:
        return base_url(url)
    except ValueError as error:
        fault = str(error)
    raise DeskError(f"CARILLON_API_URL, or --api, is wrong: {fault}; an example is http://127.0.0.1:8000.")


def _key(file: Path | None) -> str:
    """The key; what is said of a wrong one holds nothing of it."""
    key, source = (os.environ.get("CARILLON_OPERATOR_KEY", ""), "CARILLON_OPERATOR_KEY")
    if file is not None:
        try:
            key, source = file.read_text(encoding="utf-8-sig").strip(), "The file of --key-file"
        except OSError as error:
            raise DeskError(f"The file of --key-file cannot be read: {error.strerror}.") from None
        except ValueError:
            raise DeskError("The file of --key-file is no text in UTF-8.") from None
    if not key:
        raise DeskError("There is no key: set CARILLON_OPERATOR_KEY, or name a file with --key-file.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise DeskError(f"{source} holds no key: one is printable ASCII without spaces, such as POST /v1/keys gives.")
    return key


if __name__ == "__main__":
    app(prog_name="./run dead-letters")
