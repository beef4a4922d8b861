"""Alembic's environment: one connection, one transaction, a lock so that two migrations cannot race."""

import asyncio

from alembic import context
from sqlalchemy import Connection, NullPool, event, text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.sessions import Sessions

LOCK = 0x0CA2_1110
"""Key of the advisory lock that migrations hold."""


def _migrate(connection: Connection) -> None:
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": LOCK})
    context.configure(connection=connection)
    known = {script.revision for script in context.script.walk_revisions()}
    if not known.issuperset(context.get_context().get_current_heads()):
        context.config.attributes["newer"] = True
        return
    context.run_migrations()


async def _main() -> None:
    url = context.config.attributes["database_url"]
    # No timeouts: a migration takes as long as it needs, and waits for locks on the ledger.
    sessions = Sessions(url, name="migrations", settings={}, command_timeout=None)
    engine = create_async_engine("postgresql+asyncpg://", async_creator=sessions.open, poolclass=NullPool)
    event.listen(engine.sync_engine, "connect", sessions.without_cache)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_migrate)
    finally:
        await engine.dispose()


asyncio.run(_main())
