"""Which host a connection goes to, and what is said with each BEGIN behind a pooler."""

from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest

from shared.sessions import PooledConnection, Sessions, hosts_of, relied_on, target_of

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


class Pooler:
    """Stands for asyncpg before a pooler: as shipped it refuses settings, or else it ignores them."""

    def __init__(self, *, refuses: bool, process: int = 8, statement_timeout: int = 60_000) -> None:
        self.refuses = refuses
        self.process = process
        self.statement_timeout = statement_timeout
        self.asked: list[dict[str, Any]] = []
        self.ended = 0

    async def connect(self, _url: str, **how: Any) -> "Pooler":
        """Connect as asyncpg does."""
        self.asked.append(how)
        if self.refuses and "statement_timeout" in how["server_settings"]:
            raise asyncpg.ProtocolViolationError("unsupported startup parameter: statement_timeout")
        return self

    async def fetchrow(self, _statement: str) -> dict[str, int]:
        """Answer the probe from the session behind."""
        return {"process": self.process, "statement_timeout": self.statement_timeout}

    def get_server_pid(self) -> int:
        """The process that the pooler made up."""
        return 7

    def terminate(self) -> None:
        """Cut the connection."""
        self.ended += 1


@pytest.mark.parametrize(
    "pooler",
    [Pooler(refuses=True), Pooler(refuses=False), Pooler(refuses=False, process=7, statement_timeout=0)],
    ids=["refuses settings", "another process answers", "settings are ignored"],
)
async def test_a_pooler_is_found_and_given_no_settings(monkeypatch: pytest.MonkeyPatch, pooler: Pooler) -> None:
    """Once; from then on its connections are opened as it takes them."""
    monkeypatch.setattr(asyncpg, "connect", pooler.connect)
    opening = sessions("postgresql://u@pooler:6432/carillon")
    await opening.open()
    assert opening.pooled
    assert pooler.asked[-1]["server_settings"] == {"application_name": "test"}
    assert pooler.asked[-1]["statement_cache_size"] == 0
    assert issubclass(pooler.asked[-1]["connection_class"], PooledConnection)
    assert pooler.ended == int(not pooler.refuses)
    await opening.open()
    assert len(pooler.asked) == 3


async def test_what_goes_straight_to_postgresql_is_no_pooler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its transactions cost nothing more."""
    straight = Pooler(refuses=False, process=7)
    monkeypatch.setattr(asyncpg, "connect", straight.connect)
    opening = sessions("postgresql://u@host/carillon")
    await opening.open()
    assert opening.pooled is False
    assert len(straight.asked) == 1
    assert straight.asked[0]["server_settings"]["default_transaction_isolation"] == "read committed"


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
    with pytest.raises(ConnectionError, match=r"one:5001: ConnectionRefusedError.*; two:5432 is not read-write"):
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
