"""Who a server runs as."""

import os
import pwd
from pathlib import Path

import pytest

from deploy.local import identity


def test_a_normal_user_stays_who_he_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """No prefix, no other user."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert identity.unprivileged() == identity.Identity()


def test_root_becomes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without setpriv by Popen alone."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert identity.unprivileged().popen["user"] == pwd.getpwnam("nobody").pw_uid


@pytest.mark.parametrize(("held", "capability"), [(0b110, "dac_read_search"), (0b010, "dac_override"), (0, None)])
def test_the_smallest_right_to_read_is_kept(
    held: int, capability: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers often have only the second, some have none."""
    status = tmp_path / "status"
    status.write_text(f"Name:\tpython\nCapPrm:\t{held:016x}\nCapBnd:\t{held:016x}\n")
    monkeypatch.setattr(identity, "_STATUS", status)
    assert identity._read_capability() == capability
