"""Where a benchmark's messages go: the emulator, a null server that answers 200 to everything, or a given URL.

The null server is nghttpd, nghttp2's own: 3 microseconds of CPU a message, so that what is measured is the product.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import certifi
import typer

from deploy.local.emulator import start_emulator
from deploy.local.errors import StartError
from deploy.local.folders import fresh
from deploy.local.guardian import Guardian
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import ManagedProcess
from services.fcm_emulator import make_certificate

EMULATOR, NULL = "emulator", "null"
PACKAGE = "nghttp2-server"
SBIN = "/usr/sbin"
"""Debian puts nghttpd here, which is not on everybody's path."""
STREAMS = 100
"""Of one connection at once, as FCM is reported to allow."""

Where = Annotated[str, typer.Option("--fcm", help="emulator, null (a server that only says 200) or a URL.")]
Trusted = Annotated[Path | None, typer.Option("--fcm-ca", help="CA certificate of the server at that URL.")]


@dataclass(frozen=True)
class Target:
    """A place for messages; `environment` sends a stack's services there."""

    environment: Mapping[str, str]
    process: ManagedProcess | None = None
    """The null server."""

    @property
    def keeps_record(self) -> bool:
        """Whether it is the stack's emulator, which remembers what it accepted."""
        return not self.environment


@contextmanager
def messages_to(where: str, ca_file: Path | None = None, projects: Sequence[str] = ("default",)) -> Iterator[Target]:
    """Hold the place ready. Any but the emulator gets its access tokens from an emulator that gets no message."""
    if where == EMULATOR:
        yield Target({})
        return
    with ExitStack() as stack:
        folder = stack.enter_context(fresh("bench-fcm"))
        guardian = stack.enter_context(Guardian())
        guardian.discard(folder)
        emulator = start_emulator(
            folder, folder / "tokens.log", guardian, [part for project in projects for part in ("--project", project)]
        )
        stack.callback(emulator.stop)
        process, url = None, where
        if where == NULL:
            process, url = _start_null_server(folder, guardian, projects)
            stack.callback(process.stop, 5.0)
        else:
            with emulator.ca_file.open("a") as bundle:
                bundle.write(Path(ca_file or certifi.where()).read_text())
        yield Target(
            {
                "CARILLON_FCM_URL": url,
                "CARILLON_FCM_CA_FILE": str(emulator.ca_file),
                "CARILLON_FCM_CREDENTIALS_DIR": str(emulator.credentials_dir),
            },
            process,
        )


def _start_null_server(folder: Path, guardian: Guardian, projects: Sequence[str]) -> tuple[ManagedProcess, str]:
    """Run nghttpd, with the certificate in the folder, over FCM's answers as files: a POST is answered as a GET."""
    pages = folder / "pages"
    for project in projects:
        send = pages / "v1" / "projects" / project / "messages:send"
        send.parent.mkdir(parents=True)
        send.write_text(f'{{\n  "name": "projects/{project}/messages/0:1"\n}}\n')
    certificate = make_certificate(folder)
    port = free_port()
    process = ManagedProcess(
        "null-fcm",
        [
            *(nghttpd(), "--htdocs", pages, "--address", LOOPBACK, "--max-concurrent-streams", str(STREAMS)),
            *(str(port), certificate.key_file, certificate.cert_file),
        ],
        guardian=guardian,
        log=folder / "nghttpd.log",
        ready=lambda: _listens(port),
    )
    process.start()
    process.wait_ready()
    return process, f"https://{LOOPBACK}:{port}"


def _listens(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def nghttpd() -> str:
    """Find it, or have the machine's package manager install it."""
    if found := _found():
        return found
    root = _root()
    if root is not None and shutil.which("apt-get"):
        sys.stderr.write(f"carillon: installing {PACKAGE} with apt-get\n")
        subprocess.run(  # noqa: S603 - our own command
            [*root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", PACKAGE],
            stdout=subprocess.DEVNULL,
            check=False,
        )
    if found := _found():
        return found
    raise StartError(
        "The null server is nghttpd, which is not here. Install it (Debian, Ubuntu: apt-get install nghttp2-server; "
        "macOS: brew install nghttp2), or measure with --fcm emulator or --fcm URL."
    )


def _found() -> str | None:
    return shutil.which("nghttpd") or shutil.which("nghttpd", path=SBIN)


def _root() -> list[str] | None:
    """Command to put before one that root must run; None when we may not."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo is None or subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode:  # noqa: S603
        return None
    return [sudo, "-n"]
