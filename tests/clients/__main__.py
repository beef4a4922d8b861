"""`python -m tests.clients [NAME...] [--json]`: real clients of FCM, one after the other, against an emulator."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import httpx
import typer

from services.fcm_emulator import RunningEmulator, running_emulator
from tests.clients.client import ANSWERS, CLIENTS, Client
from tests.clients.ground import CannotRunError, install, run
from tests.support.eventually import eventually

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
MANY = [f"t:{number}" for number in range(300)]
NAME = "projects/demo/messages/"


@app.command()
def clients(
    names: Annotated[list[str] | None, typer.Argument(help="Clients to run; none: all.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a client on standard output.")] = False,
) -> None:
    """Run real clients; exit 0 only if each that could be installed understands every answer and sends each once."""
    if unknown := set(names or ()) - {client.name for client in CLIENTS}:
        known = ", ".join(client.name for client in CLIENTS)
        raise typer.BadParameter(f"no such client: {', '.join(sorted(unknown))}; known are {known}")
    chosen = [client for client in CLIENTS if not names or client.name in names]
    sys.exit(0 if asyncio.run(_run_all(chosen, as_json=as_json)) else 1)


async def _run_all(chosen: list[Client], *, as_json: bool) -> bool:
    sound = True
    for client in chosen:
        told = {"client": client.name, "packages": client.packages, **await _run_one(client)}
        sound = sound and "fault" not in told
        line = json.dumps(told) if as_json else f"{client.name}: " + json.dumps(told, indent=2)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return sound


async def _run_one(client: Client) -> dict[str, Any]:
    with TemporaryDirectory(prefix="fcm-client-") as folder:
        try:
            command = await install(client, Path(folder))
            async with running_emulator(script={"shares": {}}, projects=["demo"]) as emulator:
                return await _judge(client, command, emulator)
        except CannotRunError as error:
            return {"cannot_run": str(error)}
        except AssertionError as error:
            return {"fault": str(error)}


async def _judge(client: Client, command: list[str], emulator: RunningEmulator) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if not client.load:
        await emulator.follow({"shares": {}, "tokens": {answer: answer for answer in ANSWERS}})
        sent, *refused = await run(command, emulator, ["alive", *client.errors])
        assert sent.startswith(NAME), f"an accepted message is {sent!r}"
        told["errors"] = dict(zip(client.errors, refused, strict=True))
        assert told["errors"] == client.errors, f"answers are called {told['errors']}"
        requests = (await emulator.summary())["by_answer"]
        told["requests"] = {answer: count for answer, count in requests.items() if count > 1}
        await emulator.forget()
    await emulator.follow({"shares": {}})
    said = await run(command, emulator, MANY)
    told["many"] = await _compare(client, emulator, said)
    assert told["many"] == {"said": 300, "accepted": 300, "repeated": 0}, f"of 300 messages: {told['many']}"
    await emulator.forget()
    await emulator.follow({"shares": {}, "latency": "fixed:20ms", "goaway_every": 0.05})
    said = await run(command, emulator, MANY)

    async def calm() -> bool:
        # The control routes' own connection is told to go as well.
        with suppress(httpx.TransportError):
            await emulator.follow({"shares": {}})
            return True
        return False

    await eventually(calm)
    told["many_with_goaways"] = await _compare(client, emulator, said)
    return told


async def _compare(client: Client, emulator: RunningEmulator, said: list[str]) -> dict[str, int]:
    """Return how many the client calls sent, how many were, and how many requests repeated one that was."""
    summary = await emulator.summary()
    sent = sum(each.startswith((NAME, "200")) for each in said)
    if client.load:
        return {"said": sent, "accepted": summary["accepted"], "repeated": 0}
    return {"said": sent, "accepted": summary["tokens_accepted"], "repeated": summary["duplicates"]}


if __name__ == "__main__":
    app()
