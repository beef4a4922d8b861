"""A suite of Debian with its RabbitMQ in a folder: made once, then used by every run."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.folders import LOCAL
from deploy.roots.errors import UnavailableError
from deploy.roots.sources import codename_of, mirror_of
from deploy.versions import Suite

_HERE = Path(__file__).resolve().parent
_LAST_LINES = 15
_SCRIPTS = "carillon/rabbitmq_server-*/sbin/rabbitmq-server"
_NAMESPACE = ("unshare", "--mount", "--propagation", "private")

INSTEAD = """Instead: name a running one,  export CARILLON_AMQP_URL=amqp://user:password@host:5672/vhost
         (and CARILLON_RABBITMQ_MANAGEMENT_URL=http://host:15672),
         or a Docker engine,  export CARILLON_RABBITMQ_IMAGE=rabbitmq:VERSION-management"""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Root:
    """A suite that is ready to be entered."""

    suite: Suite
    folder: Path
    script: Path
    """`rabbitmq-server` as it is started from outside."""
    packages: Mapping[str, str]
    """Debian's versions of `rabbitmq-server` and `erlang-base`."""

    @property
    def rabbitmq(self) -> str:
        """RabbitMQ's own version, such as 4.3.6."""
        return self.script.parent.parent.name.removeprefix("rabbitmq_server-")

    def __str__(self) -> str:
        """Tell what a run on it has."""
        erlang = self.packages["erlang-base"].rpartition(":")[2].partition("+")[0]
        return f"RabbitMQ {self.rabbitmq} (Debian {self.suite.name}, Erlang {erlang})"


def roots() -> Path:
    """Return the folder of all suites: `CARILLON_ROOTS`, so that checkouts can share it, or one of this checkout."""
    return Path(os.environ.get("CARILLON_ROOTS") or LOCAL / "roots").absolute()


def as_root(command: Sequence[str | Path]) -> list[str]:
    """Return the command as root runs it; raises `UnavailableError` for a user without passwordless sudo."""
    words = [str(word) for word in command]
    if os.geteuid() == 0:
        return words
    if shutil.which("sudo"):
        asked = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)  # noqa: S607 - the user's
        if asked.returncode == 0:
            return ["sudo", "-n", "-E", "env", *_kept_of(os.environ), *words]
    raise UnavailableError(f"Another suite of Debian needs root, or sudo without a password.\n{INSTEAD}")


def prepared(suite: Suite, mirror: str, say: Say) -> Root:
    """Return the suite, made now if it is not there; raises `UnavailableError` when it cannot be had."""
    folder = roots() / suite.name
    if not (folder / "carillon" / "versions").exists():
        _make(suite, folder, mirror, say)
    script = next(iter(folder.glob(_SCRIPTS)))
    lines = (folder / "carillon" / "versions").read_text().splitlines()
    return Root(suite, folder, script, dict(line.split(" ", 1) for line in lines))


def namespaced(command: Sequence[str | Path]) -> list[str]:
    """Return the command as it runs as root in a mount namespace of its own."""
    return as_root([*_NAMESPACE, *command])


def check_machine() -> str:
    """Return this machine's Debian mirror; raises `UnavailableError` where a suite can be neither made nor used."""
    if not sys.platform.startswith("linux"):
        raise UnavailableError(f"Other versions are prepared on Debian only; this is {sys.platform}.\n{INSTEAD}")
    release = Path("/etc/os-release")
    codename = codename_of(release.read_text()) if release.exists() else None
    mirror = mirror_of(Path("/etc/apt"), codename) if codename else None
    if mirror is None:
        raise UnavailableError(
            "Other versions are prepared on Debian only, from the mirror in its apt sources; "
            f"{'they name none' if codename else 'this is no Debian'}.\n{INSTEAD}"
        )
    tried = subprocess.run(namespaced(["true"]), capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if tried.returncode != 0:
        raise UnavailableError(
            f"This machine gives no mount namespace ({tried.stderr.strip()}); "
            f"a container needs the capability SYS_ADMIN for it.\n{INSTEAD}"
        )
    return mirror


def _make(suite: Suite, folder: Path, mirror: str, say: Say) -> None:
    say(
        f"preparing Debian {suite.name} with its RabbitMQ in {folder} (debootstrap and apt-get; about 2 minutes, "
        f"550 MB; the machine's own packages stay as they are)"
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = folder.with_suffix(".log")
    with log.open("w") as output:
        made = subprocess.run(  # noqa: S603 - ours
            namespaced([_HERE / "make", suite.name, folder, mirror]),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if made.returncode != 0:
        lines = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        shown = "\n".join(f"  | {line}" for line in lines)
        raise UnavailableError(f"Debian {suite.name} could not be had. The last words, in full in {log}:\n{shown}")


def _kept_of(environment: Mapping[str, str]) -> list[str]:
    """Return `env`'s words for what sudo replaces by root's, though asked to keep all."""
    names = ("HOME", "PATH", "USER", "LOGNAME", "SHELL")
    unset = [word for name in names if name not in environment for word in ("-u", name)]
    return [*unset, *(f"{name}={environment[name]}" for name in names if name in environment)]
