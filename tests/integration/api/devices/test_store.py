"""The registry's statements over PostgreSQL."""

import hashlib

from sqlalchemy import text

from services.api.devices import store
from services.api.devices.lines import DeviceRow, Known
from shared.db import Database

SMALL = text("""
    insert into device (target_hash, user_id, platform, target_kind, target, project_id)
    select sha256(n::text::bytea), 'u', 'ios', 'token', 't', 'default' from generate_series(1, :count) as n
""")
ANALYZE = text("analyze device")
GENERIC = text("set local plan_cache_mode = force_generic_plan")
WALKS = text("select seq_scan from pg_stat_xact_user_tables where relname = 'device'")
KNOWN = Known("ko-KR", None, None, None, None, '{"plan": "pro"}')


def row(number: int) -> DeviceRow:
    """A device with what is known of it."""
    name = str(number)
    return DeviceRow(hashlib.sha256(name.encode()).digest(), "u", "ios", "token", f"t{name}", "default", KNOWN)


async def test_a_registry_is_never_walked_to_register_devices(database: Database) -> None:
    """Also by the plan that PostgreSQL made when it was small, and keeps while it grows a thousandfold."""
    async with database.write() as tx:
        await tx.run(SMALL, {"count": 60})
        await tx.run(ANALYZE)
    async with database.write() as tx:
        await tx.run(GENERIC)
        before = await tx.first(WALKS)
        await store.register(tx, [row(number) for number in range(1000)])
        await store.upsert(tx, row(1001), grain=0.0)
        after = await tx.first(WALKS)
    assert before is not None
    assert after == before
