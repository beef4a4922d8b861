"""TLS to PostgreSQL: real handshakes, client certificate included, in front of a real server.

The server of the tests is built without OpenSSL, so a terminator stands before it that answers PostgreSQL's request
for TLS as the server would and passes the rest through.
"""

import asyncio
import contextlib
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from sqlalchemy import text

from deploy.local.folders import REPOSITORY
from deploy.local.ports import LOOPBACK
from shared.db import Database
from shared.errors import DatabaseUnavailableError
from tests.support.certificates import Authority

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""What a client that wants TLS says first."""


@asynccontextmanager
async def terminator(database_url: str, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Speak TLS in front of a server; give the port. Clients that do not ask for TLS are cut off."""
    parts = urlsplit(database_url)
    pipes: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if await reader.readexactly(len(SSL_REQUEST)) == SSL_REQUEST:
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(context)
                behind, before = await asyncio.open_connection(parts.hostname, parts.port)
                await asyncio.gather(pipe(reader, before), pipe(behind, writer))
        writer.close()

    async def pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer), name="terminator")
        pipes.add(task)
        task.add_done_callback(pipes.discard)

    async with await asyncio.start_server(accept, LOOPBACK, 0) as server:
        yield server.sockets[0].getsockname()[1]
        for task in pipes:
            task.cancel()
        await asyncio.gather(*pipes, return_exceptions=True)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who signed the server and its clients."""
    return Authority(tmp_path / "papers", "Carillon tests")


@pytest.fixture
async def port(authority: Authority, database_url: str) -> AsyncIterator[int]:
    """A PostgreSQL that insists on TLS and on a client certificate."""
    server = authority.server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.cert_file, server.key_file)
    context.load_verify_locations(authority.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    # The refusal of a client must reach it within the handshake, not with its first query.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with terminator(database_url, context) as found:
        yield found


def at(database_url: str, port: int, **query: object) -> str:
    """The database's address through the terminator."""
    parts = urlsplit(database_url)
    login = parts.netloc.rpartition("@")[0]
    return parts._replace(netloc=f"{login}@localhost:{port}", query=urlencode(query)).geturl()


async def test_a_service_reaches_a_database_that_insists_on_tls(
    authority: Authority, database_url: str, port: int
) -> None:
    """The server's name is verified, and the client shows its own certificate."""
    client = authority.client("carillon")
    url = at(
        database_url,
        port,
        sslmode="verify-full",
        sslrootcert=authority.ca_file,
        sslcert=client.cert_file,
        sslkey=client.key_file,
    )
    database = Database(url, name="test", pool=1)
    try:
        async with database.read() as tx:
            row = await tx.first(text("select count(*) as n from campaign"))
            assert row is not None
            assert row.n == 0
    finally:
        await database.close()


async def test_migrations_go_the_same_way(authority: Authority, database_url: str, port: int) -> None:
    """As a deployment's job, with its address in a file."""
    client = authority.client("carillon")
    secret = client.cert_file.with_name("database_url")
    secret.write_text(
        at(
            database_url,
            port,
            sslmode="verify-full",
            sslrootcert=authority.ca_file,
            sslcert=client.cert_file,
            sslkey=client.key_file,
        )
    )
    job = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.ledger.migrations"),
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "CARILLON_DATABASE_URL_FILE": str(secret)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, told = await job.communicate()
    assert job.returncode == 0, told.decode()
    assert b"up to date" in out


async def test_without_a_certificate_there_is_no_way_in(authority: Authority, database_url: str, port: int) -> None:
    """And the error names what was tried."""
    database = Database(
        at(database_url, port, sslmode="verify-full", sslrootcert=authority.ca_file), name="test", pool=1
    )
    try:
        with pytest.raises(DatabaseUnavailableError, match="CARILLON_DATABASE_URL"):
            await database.wait(0.1)
    finally:
        await database.close()


async def test_a_server_that_our_authority_did_not_sign_is_not_spoken_to(
    database_url: str, port: int, tmp_path: Path
) -> None:
    """The password never leaves."""
    other = Authority(tmp_path / "other", "somebody else")
    database = Database(at(database_url, port, sslmode="verify-full", sslrootcert=other.ca_file), name="test", pool=1)
    try:
        with pytest.raises(DatabaseUnavailableError, match=r"(?i)certificate"):
            await database.wait(0.1)
    finally:
        await database.close()
