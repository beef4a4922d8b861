"""What a lock file holds: each package's version, and which packages brought it."""

import re
from dataclasses import dataclass

_PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^\s;\\]+)")
_VIA = re.compile(r"^    # (?:via|  ) ?(?P<name>[a-z0-9][a-z0-9._-]*)$")


@dataclass(frozen=True, slots=True)
class Pin:
    """A package of a lock file; `via` are the packages that require it, without the project itself."""

    name: str
    version: str
    via: tuple[str, ...]


def pins(text: str) -> dict[str, Pin]:
    """Give the packages of a file that pip-compile wrote, by name."""
    found: dict[str, Pin] = {}
    name = ""
    for line in text.splitlines():
        if pin := _PIN.match(line):
            name = pin["name"]
            found[name] = Pin(name, pin["version"], ())
        elif name and (via := _VIA.match(line)):
            found[name] = Pin(name, found[name].version, (*found[name].via, via["name"]))
    return found
