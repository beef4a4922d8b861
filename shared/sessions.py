"""Connections to PostgreSQL: to which host, with which settings, through a pooler or not.

What the services rely on is set for their own sessions, so that a role's or a database's defaults change nothing.
Straight to PostgreSQL it is set as the connection starts, and costs no transaction anything. A pooler such as PgBouncer
gives a connection of its own that may lead to another session with each transaction, and takes no such settings: there
they are part of each BEGIN, and statements are prepared without a name. Which of the two it is, each connection asks as
it is opened: behind a pooler the process that answers is not the one that the connection was given.

Of several hosts in the URL the one that takes writes is used; whatever ends a connection looks for it anew.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import structlog

log = structlog.get_logger()

CONNECT = 10.0
"""Seconds to connect, for all hosts together; each of several has its share, so that one that does not answer is
skipped."""
DEFAULT_PORT = 5432
READ_WRITE = "read-write"

PROBE = """
    select pg_backend_pid() as process,
           (select setting::bigint from pg_settings where name = 'statement_timeout') as statement_timeout
"""
"""Asked once a connection; a timeout is in milliseconds there."""


def relied_on(*, statement_timeout: float) -> dict[str, str]:
    """What every transaction of ours relies on, by setting; `statement_timeout` in seconds.

    A lock is waited for as long as a statement may take. `default_transaction_read_only` is not among them: a hosted
    database sets it to save itself when its disk is full, and expects to be obeyed.
    """
    return {
        "statement_timeout": str(int(statement_timeout * 1000)),
        "lock_timeout": "0",
        "idle_in_transaction_session_timeout": "60s",
        "jit": "off",
    }


class PooledConnection(asyncpg.Connection):  # type: ignore[misc]  # it ships no types
    """A connection to a pooler: the settings are sent with each BEGIN, in the same round trip."""

    begin = "BEGIN;"

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109 - asyncpg's
        """Run a statement; a BEGIN says what the transaction relies on."""
        return str(await super().execute(self.begin if query == "BEGIN;" else query, *args, timeout=timeout))

    async def prepare(self, query: str, *, name: str | None = None, **how: Any) -> Any:
        """Prepare a statement without a name: one with a name would stay in a session that is somebody else's next."""
        del name
        return await super().prepare(query, name="", **how)


class Sessions:
    """Opens the connections of a pool; `name` is what pg_stat_activity shows."""

    def __init__(self, url: str, *, name: str, settings: Mapping[str, str], command_timeout: float | None) -> None:
        self._url = url
        self._name = name
        self._settings = dict(settings)
        self._command_timeout = command_timeout
        self._hosts = hosts_of(url)
        self._asked = target_of(url)
        self._connected_to: str | None = None
        self.pooled: bool | None = None
        """Whether a pooler is between, None before the first connection."""
        local = "; ".join(f"SET LOCAL {key} = '{value}'" for key, value in self._settings.items())
        begin = f"BEGIN ISOLATION LEVEL READ COMMITTED; {local};"
        self._pooled_kind = type("PooledConnection", (PooledConnection,), {"begin": begin})

    @property
    def place(self) -> str:
        """Where the URL leads, without user and password."""
        database = unquote(urlsplit(self._url).path.lstrip("/"))
        return f"{','.join(f'{host}:{port}' for host, port in self._hosts)}/{database}"

    async def open(self) -> Any:
        """Open a connection to the host that takes writes, or to the only one; raises as asyncpg does.

        Of several hosts, `ConnectionError` names what is the matter with each.
        """
        if len(self._hosts) == 1:
            return await self._open({}, within=CONNECT, place=self.place)
        share = CONNECT / len(self._hosts)
        troubles = []
        for host, port in self._hosts:
            where = {"host": host, "port": port, "target_session_attrs": self._asked or READ_WRITE}
            try:
                connection = await self._open(where, within=share, place=f"{host}:{port}")
            except asyncpg.TargetServerAttributeNotMatched:
                troubles.append(f"{host}:{port} is not {where['target_session_attrs']}")
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InternalClientError) as error:
                troubles.append(f"{host}:{port}: {type(error).__name__}: {error}")
            else:
                # The next one most probably finds it there as well.
                self._hosts = [(host, port), *(other for other in self._hosts if other != (host, port))]
                return connection
        raise ConnectionError(f"none of the hosts is what is asked for: {'; '.join(troubles)}")

    def without_cache(self, connection: Any, _record: Any) -> None:
        """Have SQLAlchemy remember no prepared statement behind a pooler: without a name each is gone with the next."""
        if self.pooled:
            connection._prepared_statement_cache = None  # noqa: SLF001 - the public way is there only before connecting

    async def _open(self, where: Mapping[str, Any], *, within: float, place: str) -> Any:
        async with asyncio.timeout(within):
            connection = None if self.pooled else await self._straight(where)
            self.pooled = connection is None
            if connection is None:
                connection = await asyncpg.connect(
                    self._url,
                    connection_class=self._pooled_kind,
                    statement_cache_size=0,
                    server_settings={"application_name": self._name},
                    command_timeout=self._command_timeout,
                    **where,
                )
        if self._connected_to != place:
            self._connected_to = place
            log.info("database.connected", to=place, pooler=self.pooled)
        return connection

    async def _straight(self, where: Mapping[str, Any]) -> Any:
        """A connection whose session is our own, None when there is a pooler between."""
        try:
            connection = await asyncpg.connect(
                self._url,
                server_settings={
                    "application_name": self._name,
                    "default_transaction_isolation": "read committed",
                    "TimeZone": "UTC",
                    **self._settings,
                },
                command_timeout=self._command_timeout,
                **where,
            )
        except asyncpg.ProtocolViolationError as error:
            log.info("database.pooler", said=str(error))  # "unsupported startup parameter"
            return None
        try:
            ours = await self._is_our_own(connection)
        except BaseException:
            connection.terminate()
            raise
        if not ours:
            connection.terminate()
            return None
        return connection

    async def _is_our_own(self, connection: Any) -> bool:
        try:
            found = await connection.fetchrow(PROBE)
        except (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError):
            return False  # what was prepared is gone, or somebody else's: another session answered
        asked = int(self._settings.get("statement_timeout", found["statement_timeout"]))
        return bool(found["process"] == connection.get_server_pid() and found["statement_timeout"] == asked)


def hosts_of(url: str) -> Sequence[tuple[str, int]]:
    """The hosts and ports that a URL names, in its order.

    >>> hosts_of("postgresql://u:p@one,two:5433,[::1]/carillon?target_session_attrs=primary")
    [('one', 5432), ('two', 5433), ('::1', 5432)]
    """
    return [_host(part) for part in urlsplit(url).netloc.rpartition("@")[2].split(",")]


def target_of(url: str) -> str | None:
    """What the URL itself asks of a host.

    >>> target_of("postgresql://one,two/carillon?target_session_attrs=primary")
    'primary'
    """
    return next(iter(parse_qs(urlsplit(url).query).get("target_session_attrs", ())), None)


def _host(part: str) -> tuple[str, int]:
    name, colon, port = part.rpartition(":")
    if not colon or port.endswith("]"):
        name, port = part, ""
    return unquote(name.strip("[]")), int(port) if port else DEFAULT_PORT
