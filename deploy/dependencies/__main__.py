"""`python -m deploy.dependencies page|licences|advisories`: write the page, or check; exit code 1 is a refusal."""

import sys
from collections.abc import Callable, Sequence

from deploy.dependencies import advisories
from deploy.dependencies.declared import UndeclaredError
from deploy.dependencies.licences import UnknownLicenceError, refused
from deploy.dependencies.locked import pins
from deploy.dependencies.page import BENCH_LOCK, IMAGE_LOCK, LOCK, PAGE, as_markdown

_USAGE = 2


def page() -> int:
    """Write `docs/dependencies.md` anew."""
    try:
        PAGE.write_text(as_markdown())
    except (UndeclaredError, UnknownLicenceError) as error:
        return _say(str(error), passed=False)
    return 0


def licences() -> int:
    """Refuse what the image may not hold."""
    shipped = pins(IMAGE_LOCK.read_text())
    lines = refused(shipped)
    return _say("\n".join([*lines, f"{len(shipped)} packages in the image, {len(lines)} refused"]), passed=not lines)


def vulnerabilities() -> int:
    """Refuse what is known to be vulnerable, where somebody can be asked."""
    text, passed = advisories.verdict(advisories.look_up([LOCK, BENCH_LOCK]))
    return _say(text, passed=passed)


COMMANDS: dict[str, Callable[[], int]] = {"page": page, "licences": licences, "advisories": vulnerabilities}


def main(arguments: Sequence[str]) -> int:
    """Do the one that is named."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        return _say(f"python -m deploy.dependencies {'|'.join(COMMANDS)}", passed=False) and _USAGE
    return COMMANDS[arguments[0]]()


def _say(text: str, *, passed: bool) -> int:
    sys.stdout.write(f"{text}\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
