"""Who a server runs as: PostgreSQL refuses root, and root is who containers and CI machines give us.

As root, it runs as `nobody`, a user that every system has: none is added to the machine. A checkout under
`/root` or in a private temporary folder cannot be entered by `nobody`, and widening the permissions of
folders above us is not ours to do; Linux lets the one process keep root's right to read instead (util-linux
`setpriv`, an ambient capability).
"""

import os
import pwd
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
"""What Linux says about this process; absent on other systems."""

_READ_CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}
"""Rights to pass through any folder, with their bits; the smaller first, which containers often lack."""


@dataclass(frozen=True)
class Identity:
    """How to start a process so that it is not root: a command before its own, and arguments for Popen."""

    prefix: tuple[str, ...] = ()
    popen: dict[str, Any] = field(default_factory=dict)
    owner: int | None = None

    def own(self, *folders: Path) -> None:
        """Hand these folders to the identity."""
        if self.owner is not None:
            for folder in folders:
                os.chown(folder, self.owner, -1)


def unprivileged() -> Identity:
    """Return ourselves, or `nobody` when we are root."""
    if os.geteuid() != 0:
        return Identity()
    nobody = pwd.getpwnam("nobody")
    user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    setpriv, capability = shutil.which("setpriv"), _read_capability()
    if setpriv is None or capability is None:
        return Identity(popen=user, owner=nobody.pw_uid)
    prefix = (
        setpriv,
        f"--reuid={nobody.pw_uid}",
        f"--regid={nobody.pw_gid}",
        "--clear-groups",
        f"--inh-caps=+{capability}",
        f"--ambient-caps=+{capability}",
    )
    return Identity(prefix=prefix, owner=nobody.pw_uid)


def _read_capability() -> str | None:
    """Return the smallest capability we hold that lets a process enter our folders, if any."""
    if not _STATUS.exists():
        return None
    fields = dict(line.split(":\t", 1) for line in _STATUS.read_text().splitlines() if ":\t" in line)
    held = int(fields.get("CapPrm", "0"), 16) & int(fields.get("CapBnd", "0"), 16)
    return next((name for name, bit in _READ_CAPABILITIES.items() if held >> bit & 1), None)
