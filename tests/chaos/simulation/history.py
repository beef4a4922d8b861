"""What happened in a schedule, a line each; two runs of one seed write the same lines."""

import re
from collections.abc import Callable

Now = Callable[[], float]
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
"""Where an object lies, which is another place in every run."""
SET = re.compile(r"(?<=frozenset\(\{)[^{}]*(?=\}\))")
"""What a set holds, in the order of Python's hashes, which are others in every run."""


class History:
    """Keeps lines when switched on; costs a comparison when not."""

    def __init__(self, now: Now, *, on: bool) -> None:
        self._now = now
        self.on = on
        self.lines: list[str] = []

    def add(self, kind: str, *words: object) -> None:
        """Write a line: the time, what kind of thing, and words about it."""
        if self.on:
            said = ADDRESS.sub("", " ".join(str(word) for word in words))
            if "frozenset" in said:
                said = SET.sub(lambda held: ", ".join(sorted(held[0].split(", "))), said)
            self.lines.append(f"{self._now():10.4f} {kind:<9} {said}")
