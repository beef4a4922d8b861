"""Leases: one is lost with its sender, and for nothing that PostgreSQL or RabbitMQ say to a sender that lives.

This is the bound on repeats seen from its other side. Whatever a batch repeats it may repeat because a lease was lost;
so no trouble may cost one over which a sender could have insisted.
"""

from collections.abc import Iterable

from tests.chaos.checker.state import Disturbance, State
from tests.chaos.witnesses import LostLease, Stall

POSTGRES, FCM = "postgres", "emulator"
SERVICE_PREFIXES = ("sender-",)
LONG = 4.5
"""Seconds of a lease of twelve in which PostgreSQL may be in trouble at no cost: a sender starts no request in its last
five, so that what it sent it can still write down."""
EXAMPLES = 3


def lost(state: State) -> list[str]:
    """(4) Who lost a lease was in a fault's hands meanwhile, or FCM was, or PostgreSQL for longer than can be waited.

    FCM: a request waits for its answer longer than a lease of chaos has left when it starts its last one.
    """
    unexplained = [lease for lease in state.lost if not _explained(lease, state)]
    return [
        f"{lease.holder} lost its lease over {lease.batch}, held from {lease.claimed - state.began:.1f} s to "
        f"{lease.lost - state.began:.1f} s, and no fault had it in its hands"
        for lease in unexplained[:EXAMPLES]
    ]


def _explained(lease: LostLease, state: State) -> bool:
    if not lease.holder.startswith(SERVICE_PREFIXES):
        return True  # it lived for less than a second, and nobody saw it
    if any(_overlap(one, lease) > 0 for one in state.disturbances if one.name in (lease.holder, FCM)):
        return True
    stalls = (*state.commits, *state.stalls)
    return _away(state.disturbances, lease) > LONG or any(_overlap(stall, lease) > LONG for stall in stalls)


def _away(disturbances: Iterable[Disturbance], lease: LostLease) -> float:
    return sum(_overlap(one, lease) for one in disturbances if one.name == POSTGRES)


def _overlap(one: Disturbance | Stall, lease: LostLease) -> float:
    return max(0.0, min(one.ended, lease.lost) - max(one.began, lease.claimed))
