"""Which host a connection goes to, and what is said with each BEGIN behind a pooler."""

from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest

from shared.sessions import Sessions, hosts_of, relied_on, target_of

TWO = "postgresql://u:p%40@one:5001,two/carillon"


class Server:
    """Stands for asyncpg: `down` hosts refuse, `standbys` do not take writes."""

    def __init__(self, *, down: set[str] = frozenset(), standbys: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        self.down = down
        self.standbys = standbys
        self.asked: list[tuple[str, int]] = []

    async def connect(self, _url: str, *, host: str, port: int, target_session_attrs: str, **_how: Any) -> "Connection":
        """Connect as asyncpg does."""
        self.asked.append((host, port))
        if host in self.down:
            raise ConnectionRefusedError(111, "refused")
        if host in self.standbys and target_session_attrs == "read-write":
            raise asyncpg.TargetServerAttributeNotMatched("None of the hosts match the target attribute requirement")
        return Connection(host)


class Connection:
    """A connection straight to a server."""

    def __init__(self, host: str) -> None:
        self.host = host

    async def fetchrow(self, _statement: str) -> dict[str, int]:
        """Answer the probe."""
        return {"process": 7, "statement_timeout": 60_000}

    def get_server_pid(self) -> int:
        """The process that this connection was given."""
        return 7


def sessions(url: str = TWO) -> Sessions:
    """Sessions of a service."""
    return Sessions(url, name="test", settings=relied_on(statement_timeout=60), command_timeout=65)


async def test_the_host_that_takes_writes_is_found_and_asked_first_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A standby or a host that is down is passed by, and a fail-over is followed."""
    server = Server(standbys={"one"})
    monkeypatch.setattr(asyncpg, "connect", server.connect)
    opening = sessions()
    assert (await opening.open()).host == "two"
    assert (await opening.open()).host == "two"
    assert server.asked == [("one", 5001), ("two", 5432), ("two", 5432)]
    server.standbys = {"two"}
    assert (await opening.open()).host == "one"
    server.standbys, server.down = set(), {"one"}
    assert (await opening.open()).host == "two"


async def test_when_no_host_takes_writes_each_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to guess which of them was asked."""
    monkeypatch.setattr(asyncpg, "connect", Server(down={"one"}, standbys={"two"}).connect)
    with pytest.raises(ConnectionError, match=r"one:5001: ConnectionRefusedError.*; two:5432: TargetServerAttribute"):
        await sessions().open()


async def test_the_url_may_ask_for_another_host_than_the_one_that_takes_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is written there counts."""
    monkeypatch.setattr(asyncpg, "connect", Server(standbys={"one"}).connect)
    assert (await sessions(TWO + "?target_session_attrs=any").open()).host == "one"


def test_a_place_has_no_password() -> None:
    """It is in log lines and in what a service says as it gives up."""
    assert sessions().place == "one:5001,two:5432/carillon"


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://host/db", [("host", 5432)]),
        ("postgresql://u:p@[2001:db8::1]:5433,[::1]/db", [("2001:db8::1", 5433), ("::1", 5432)]),
        ("postgresql://u:a,b@h:1,i:2/db", [("h", 1), ("i", 2)]),
    ],
)
def test_hosts_of_a_url(url: str, hosts: list[tuple[str, int]]) -> None:
    """With their ports, whatever the password is."""
    assert hosts_of(url) == hosts
    assert target_of(url) is None
