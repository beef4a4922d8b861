"""An FCM project's row as a benchmark needs it."""

import asyncpg  # type: ignore[import-untyped]  # it ships no types


async def set_quota(database_url: str, per_second: float) -> None:
    """Give every project this quota."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("update project set rate = $1", per_second)
    finally:
        await connection.close()
