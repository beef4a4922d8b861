"""`python -m services.fcm_emulator`: serve until SIGTERM, one JSON line on stdout when ready."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated, NamedTuple

import typer
import uvloop
from pydantic import ValidationError

from services.fcm_emulator.app import Emulator
from services.fcm_emulator.identity import make_certificate, write_service_account
from services.fcm_emulator.script import Script, explain
from services.fcm_emulator.server import PortTakenError, Server

cli = typer.Typer(
    add_completion=False, context_settings={"auto_envvar_prefix": "CARILLON_EMULATOR"}, pretty_exceptions_enable=False
)


@cli.command()
def main(
    folder: Annotated[Path, typer.Option(help="Where the certificate and the credentials are kept.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.")] = 0,
    name: Annotated[
        str | None, typer.Option(help="The name clients reach it by, when not the address: a container's.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed of the script: the same tokens meet the same fate.")] = 0,
    share: Annotated[
        list[str] | None, typer.Option(help="ANSWER=SHARE, as UNREGISTERED=0.02; once given, replaces the default.")
    ] = None,
    latency: Annotated[str | None, typer.Option(help="lognormal:100ms, lognormal:100ms:0.5 or fixed:20ms.")] = None,
    quota: Annotated[float | None, typer.Option(help="Messages a second for each project.")] = None,
    quota_window: Annotated[float, typer.Option(help="Seconds after which the quota is full again.")] = 60.0,
    script: Annotated[Path | None, typer.Option(help="A whole script as JSON; the options above go unread.")] = None,
    project: Annotated[
        list[str] | None, typer.Option(help="Write FOLDER/credentials/PROJECT.json, a service account.")
    ] = None,
    keep_messages: Annotated[int, typer.Option(help="Bodies kept for GET /emulator/messages.")] = 1000,
    attached: Annotated[bool, typer.Option(help="End when standard input closes, as with a parent's death.")] = False,
) -> None:
    """Speak FCM HTTP v1 over HTTP/2 and TLS, by a seeded script, and record what was accepted."""
    options = {
        "seed": seed,
        "latency": latency,
        "quota": {"per_second": quota, "window": quota_window} if quota else None,
        **({"shares": dict(entry.partition("=")[::2] for entry in share)} if share else {}),
    }
    try:
        told = Script.model_validate_json(script.read_bytes()) if script else Script.model_validate(options)
    except ValidationError as wrong:
        raise typer.BadParameter(explain(wrong)) from wrong
    except OSError as unread:
        raise typer.BadParameter(f"--script cannot be read: {unread}") from unread
    at = Place(folder, host, port, name)
    serving = _serve(told, at, projects=project or [], keep=keep_messages, attached=attached)
    try:
        uvloop.run(serving)
    except PortTakenError as taken:
        raise typer.BadParameter(str(taken)) from taken


class Place(NamedTuple):
    """Where it keeps its papers, where it listens, and the name in them."""

    folder: Path
    host: str
    port: int
    name: str | None


async def _serve(script: Script, at: Place, *, projects: list[str], keep: int, attached: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if attached:
        loop.add_reader(sys.stdin.fileno(), _stop_at_end_of_input, stop)
    certificate = make_certificate(at.folder, name=at.name)
    emulator = Emulator(script, keep_messages=keep)
    async with Server(emulator, certificate, host=at.host, port=at.port, name=at.name) as server:
        credentials = at.folder / "credentials"
        for project in projects:
            write_service_account(credentials / f"{project}.json", project=project, token_uri=f"{server.url}/token")
        # What lives by now lives to the end: the collector need not look at it again.
        gc.freeze()
        ready = {
            "url": server.url,
            "ca_file": str(certificate.ca_file.resolve()),
            "credentials_dir": str(credentials.resolve()),
            "pid": os.getpid(),
        }
        print(json.dumps(ready), flush=True)  # noqa: T201 - the command's answer
        await stop.wait()


def _stop_at_end_of_input(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        stop.set()


if __name__ == "__main__":
    cli()
