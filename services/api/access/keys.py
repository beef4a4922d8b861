"""API keys: from the key that a request carries to the principal."""

import asyncio
import hmac
import re
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass

import structlog
from sqlalchemy import text

from services.api.access.roles import Principal, Role, digest
from shared.db import Database
from shared.errors import UnavailableError

log = structlog.get_logger()

PREFIX = "crl_"
"""What every key begins with, so that scanners of repositories and logs recognise one."""
SHOWN = 8
"""Characters of a key that are stored and shown: the prefix and 24 bits, to tell keys apart without revealing one."""
FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
TRUST = 1.0
"""Seconds that a look-up is believed: how long another process than the revoking one may still accept a key."""
REMEMBERED = 1000
"""Keys looked up and remembered at once."""
FLUSH = 5.0
"""Seconds between writes of who was used; each key's row is written once a minute at the most."""

FIND = text("""
    select id, name, role, rate from api_key
     where digest = :digest and revoked_at is null and (expires_at is null or expires_at > now())
""")
USED = text("""
    update api_key set last_used_at = now()
     where id = any(cast(:ids as bigint[]))
       and (last_used_at is null or last_used_at < now() - make_interval(mins => 1))
""")

BOOTSTRAP = Principal("operator", Role.ADMIN)
"""Who holds the operator key of the environment: the admin that makes the first keys."""


@dataclass(frozen=True, slots=True)
class _Found:
    principal: Principal | None
    until: float


class Keys:
    """Looks keys up, believes the answer for a second, and notes who was used."""

    def __init__(self, database: Database, operator_digest: bytes) -> None:
        self._database = database
        self._operator_digest = operator_digest
        self._found: OrderedDict[bytes, _Found] = OrderedDict()
        self._used: set[int] = set()

    async def find(self, offered: str) -> Principal | None:
        """Who holds the key, None for nobody; raises `DatabaseUnavailableError`."""
        hashed = digest(offered)
        if hmac.compare_digest(hashed, self._operator_digest):
            return BOOTSTRAP
        if not FORM.fullmatch(offered):
            return None
        known = self._found.get(hashed)
        if known is None or known.until < time.monotonic():
            known = await self._look_up(hashed)
        if known.principal is not None:
            self._used.add(known.principal.key_id)
        return known.principal

    def forget(self) -> None:
        """Look every key up anew: one was revoked."""
        self._found.clear()

    async def run(self) -> None:
        """Write who was used, for ever."""
        while True:
            await asyncio.sleep(FLUSH)
            await self.flush()

    async def flush(self) -> None:
        """Write which keys were used; later, when PostgreSQL cannot be reached."""
        used, self._used = self._used, set()
        if not used:
            return
        try:
            async with self._database.write() as tx:
                await tx.run(USED, {"ids": sorted(used)})
        except UnavailableError as error:
            self._used |= used
            log.warning("keys.use_not_written", error=str(error))

    async def _look_up(self, hashed: bytes) -> _Found:
        asked = time.monotonic()
        async with self._database.read() as tx:
            row = await tx.first(FIND, {"digest": hashed})
        who = None if row is None else Principal(row.name, Role(row.role), row.id, row.rate)
        found = _Found(who, asked + TRUST)
        self._found[hashed] = found
        while len(self._found) > REMEMBERED:
            self._found.popitem(last=False)
        return found


def new_key() -> str:
    """A key of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)
