"""What of an exchange and a key failed lately, so that readiness can name it."""

import asyncio

FAILURE_COUNTS = 60.0
"""Seconds that a message that came back tells of a missing binding, and one that was not confirmed of a queue in
trouble, unless one like it gets through: whoever holds it tries again every few seconds, and after a minute it may be
another process that does."""


class Failures(dict[tuple[str, str], tuple[int, float]]):
    """How often in a row a way failed, an exchange and a key, and when last."""

    def note(self, way: tuple[str, str]) -> None:
        """It failed now."""
        self[way] = (self.get(way, (0, 0.0))[0] + 1, asyncio.get_running_loop().time())

    def lately(self) -> dict[tuple[str, str], int]:
        """The ways whose last failure still counts, and how often they failed."""
        now = asyncio.get_running_loop().time()
        return {way: times for way, (times, at) in self.items() if now - at < FAILURE_COUNTS}
