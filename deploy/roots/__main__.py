"""`./run on NAME [COMMAND…]`: prepare a RabbitMQ and run a command of `./run` on it; without COMMAND only prepare."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from deploy.local.folders import REPOSITORY
from deploy.roots.errors import UNAVAILABLE, UnavailableError
from deploy.roots.prepared import INSTEAD, Root, check_machine, namespaced, prepared
from deploy.versions import ON, Suite

_ENTER = Path(__file__).resolve().parent / "enter"
_USAGE = 2


def say(text: str) -> None:
    """Tell the person, as `./run` does."""
    sys.stderr.write(f"carillon: {text}\n")
    sys.stderr.flush()


def first_of(suites: Sequence[Suite], mirror: str) -> Root:
    """Return the first suite that can be had, saying aloud which could not."""
    for suite, following in zip(suites, [*suites[1:], None], strict=True):
        try:
            return prepared(suite, mirror, say)
        except UnavailableError as error:
            if following is None:
                raise
            say(f"{error}")
            say(f"Debian {following.name} stands in, whose RabbitMQ was {following.rabbitmq}")
    raise AssertionError("no name without a suite")


def environment_on(root: Root, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which everything of ours starts this RabbitMQ, whatever else there is."""
    others = ("CARILLON_AMQP_URL", "CARILLON_RABBITMQ_MANAGEMENT_URL", "CARILLON_RABBITMQ_IMAGE")
    return {
        **{name: value for name, value in environment.items() if name not in others},
        "CARILLON_BROKER": "package",
        "CARILLON_TEST_SERVERS": "embedded",
        "CARILLON_RABBITMQ_SERVER": str(root.script),
        # epmd, which comes with Erlang, is looked up there.
        "PATH": f"{root.folder / 'carillon' / 'bin'}:{environment.get('PATH', os.defpath)}",
    }


def main(arguments: Sequence[str]) -> int:
    """Become the command, on the version asked for; return the exit code where there is nothing to become."""
    name, command = arguments[0] if arguments else "", arguments[1:]
    if name not in ON:
        say(f"./run on NAME COMMAND…: NAME is one of {', '.join(ON)}")
        return _USAGE
    try:
        root = first_of(ON[name], check_machine())
    except UnavailableError as error:
        say(f"{name} cannot be had here. {error}" + ("" if INSTEAD in str(error) else f"\n{INSTEAD}"))
        return UNAVAILABLE
    if not root.rabbitmq.startswith(f"{name.removeprefix('rabbitmq-')}."):
        say(f"note: {root} is what there is for {name}; to look for a newer one, remove {root.folder}")
    if not command:
        say(f"ready: {root}")
        return 0
    say(f"on {root}")
    return become(root, command)


def become(root: Root, command: Sequence[str]) -> NoReturn:
    """Become `./run COMMAND…` in a mount namespace in which this suite's programs work."""
    environment = environment_on(root, os.environ)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(REPOSITORY)
    words = namespaced([_ENTER, root.folder, str(os.getuid()), str(os.getgid()), "./run", *command])
    os.execvp(words[0], words)  # noqa: S606 - ours


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
