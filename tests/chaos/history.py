"""What happened: each fault with its times, its note and how long the flow took to come back."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Happened:
    """One fault, in seconds from the beginning.

    `recovery`: from its undoing until what it touched was ready and the ledger moved, whatever else struck meanwhile;
    None: not within a minute and a half. `fizzled`: why it was not done.
    """

    at: float
    kind: str
    target: str
    lasted: float = 0.0
    note: str = ""
    recovery: float | None = None
    fizzled: str = ""
    touches: tuple[str, ...] = ()

    def told(self) -> str:
        """One line for people."""
        what = f"{self.at:7.1f} s  {self.kind} · {self.target}"
        parts = [f"{self.lasted:.1f} s" if self.lasted >= 0.1 else "", self.note]
        if self.recovery is not None:
            parts.append(f"flowing again after {self.recovery:.1f} s")
        if self.fizzled:
            parts.append(f"could not be done: {self.fizzled}")
        return f"{what}: {', '.join(part for part in parts if part)}"


@dataclass
class History:
    """All of it, in order."""

    happened: list[Happened] = field(default_factory=list)
    deaths: list[str] = field(default_factory=list)
    """Processes that ended though nobody asked them to."""

    def by_kind(self) -> dict[str, int]:
        """How many faults of each kind were done."""
        return dict(sorted(Counter(fault.kind for fault in self.happened if not fault.fizzled).items()))

    def longest_recovery(self) -> dict[str, float]:
        """Seconds by kind, where it was measured."""
        longest: dict[str, float] = {}
        for fault in self.happened:
            if fault.recovery is not None:
                longest[fault.kind] = max(longest.get(fault.kind, 0.0), round(fault.recovery, 1))
        return dict(sorted(longest.items()))

    def as_json(self) -> list[dict[str, Any]]:
        """For scripts."""
        return [asdict(fault) for fault in self.happened]
