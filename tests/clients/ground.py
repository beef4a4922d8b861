"""A client made ready in a temporary folder, and run against an emulator."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.clients.client import Client, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.fcm_emulator import RunningEmulator

_PROGRAMS = Path(__file__).with_name("programs")
_INSTALL_BUDGET = 900.0
_RUN_BUDGET = 240.0


class CannotRunError(Exception):
    """Raised when a client cannot be had here; says what is missing."""


async def install(client: Client, folder: Path) -> list[str]:
    """Install a client; return the command that runs its program."""
    program = folder / client.program
    await asyncio.to_thread(shutil.copy, _PROGRAMS / client.program, program)
    match client.source:
        case Source.PIP:
            await _install(sys.executable, "-m", "venv", folder / "venv")
            python = folder / "venv" / "bin" / "python"
            pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            await _install(*pip, *client.packages)
            return [str(python), str(program), *client.options]
        case Source.NPM:
            await _install(
                "npm", "install", "--prefix", folder, "--silent", "--no-audit", "--no-fund", *client.packages
            )
            return ["node", str(program), *client.options]
        case Source.MACHINE:
            if missing := [name for name in client.packages if shutil.which(name) is None]:
                raise CannotRunError(f"no {', '.join(missing)} on this machine (Debian: curl, nghttp2-client)")
            return [sys.executable, str(program), *client.options]


async def run(command: Sequence[str], emulator: RunningEmulator, tokens: Sequence[str]) -> list[str]:
    """Run a program over some tokens; return what the client said of each: a message's name, or an error's."""
    trusted = str(emulator.ca_file)
    out = await _output(
        *(*command, emulator.url, str(emulator.credentials_dir / "demo.json"), *tokens),
        budget=_RUN_BUDGET,
        SSL_CERT_FILE=trusted,
        REQUESTS_CA_BUNDLE=trusted,
        NODE_EXTRA_CA_CERTS=trusted,
    )
    found: list[str] = json.loads(out.splitlines()[-1])
    return found


async def _install(*command: Any) -> None:
    try:
        await _output(*map(str, command), budget=_INSTALL_BUDGET)
    except (AssertionError, FileNotFoundError) as error:
        raise CannotRunError(str(error)) from error


async def _output(*command: str, budget: float, **environment: str) -> str:
    """Run a command; AssertionError with its words when it fails or takes longer than its budget, in seconds."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), budget)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise AssertionError(f"{command[0]} did not end within {budget:.0f} s") from None
    if process.returncode:
        raise AssertionError(f"{command[0]} ended with {process.returncode}: {err.decode(errors='replace')[-2000:]}")
    return out.decode()
