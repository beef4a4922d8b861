"""A schedule's plan, drawn from its seed: how large everything is, what is sent, what operators do and when.

Everything is small and quick: a few batches of a few devices, leases of seconds. What may go wrong depends on the order
of things, and not on their size.
"""

from dataclasses import dataclass
from random import Random

from shared.ledger.times import Times
from shared.topology import Lane
from tests.chaos.simulation.condition import Spell, draw_spells
from tests.chaos.simulation.fcm import STORMS, Storm
from tests.chaos.simulation.weather import Climate, draw_climate

TIMES = Times(
    lease=12.0,
    margin=4.0,
    publish=2.0,
    queued=8.0,
    queued_max=60.0,
    retry=10.0,
    report=8.0,
    ramp=0.0,
    probe=3.0,
    step=6.0,
)
"""The ledger's waits, ten times shorter than in production; a request's timeout still fits into a lease's margin."""


@dataclass(frozen=True, slots=True)
class PlannedDevice:
    """A device to register: of a project and platform, with a token; `fate` is what FCM always says of it."""

    project: str
    platform: str
    token: str
    dead: bool = False
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class PlannedCampaign:
    """A campaign to send at a time."""

    at: float
    lane: Lane
    delivery: str
    max_attempts: int
    rate: float | None
    ttl: int | None


@dataclass(frozen=True, slots=True)
class Move:
    """What an operator does to a campaign, by its place among the planned ones."""

    at: float
    verb: str
    campaign: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A schedule."""

    seed: int
    climate: Climate
    foul_until: float
    planners: int
    senders: int
    aggregators: int
    batch: int
    rates: dict[str, float]
    devices: tuple[PlannedDevice, ...]
    campaigns: tuple[PlannedCampaign, ...]
    moves: tuple[Move, ...]
    storms: tuple[Storm, ...]
    spells: tuple[Spell, ...] = ()


ILL = 0.35
"""Of all schedules PostgreSQL is in another state for a while; in a third of these nothing else happens."""


def draw(seed: int) -> Plan:
    """The plan of a seed."""
    rng = Random(f"plan {seed}")
    climate = draw_climate(rng)
    health = Random(f"health {seed}")
    ill = health.random() < ILL
    if ill and health.random() < 1 / 3:
        climate = Climate()
    foul_until = rng.uniform(15.0, 60.0)
    rates = {f"p{n}": rng.choice((3.0, 10.0, 40.0)) for n in range(rng.choice((1, 1, 2)))}
    devices = tuple(_device(rng, n, list(rates)) for n in range(rng.randint(1, 24)))
    campaigns = tuple(_campaign(rng, foul_until) for _ in range(rng.choice((1, 1, 2, 2, 3))))
    return Plan(
        seed=seed,
        climate=climate,
        foul_until=foul_until,
        planners=rng.choice((1, 2)),
        senders=rng.choice((1, 2, 2, 3)),
        aggregators=rng.choice((1, 1, 2)),
        batch=rng.choice((1, 2, 3, 4, 5)),
        rates=rates,
        devices=devices,
        campaigns=campaigns,
        moves=_moves(rng, campaigns, foul_until),
        storms=_storms(rng, climate, rates, foul_until),
        spells=draw_spells(health, foul_until) if ill else (),
    )


def _device(rng: Random, number: int, projects: list[str]) -> PlannedDevice:
    kind = rng.random()
    return PlannedDevice(
        project=rng.choice(projects),
        platform=rng.choice(("android", "android", "ios", "web")),
        token=f"target-{number}",
        dead=kind < 0.12,
        foreign=0.12 <= kind < 0.18,
    )


def _campaign(rng: Random, foul_until: float) -> PlannedCampaign:
    return PlannedCampaign(
        at=rng.uniform(0.0, foul_until / 3),
        lane=rng.choice(tuple(Lane)),
        delivery="at_most_once" if rng.random() < 0.35 else "at_least_once",
        max_attempts=rng.choice((1, 2, 3, 4)),
        rate=rng.choice((0.5, 2.0)) if rng.random() < 0.15 else None,
        ttl=rng.randint(5, 60) if rng.random() < 0.25 else None,
    )


def _moves(rng: Random, campaigns: tuple[PlannedCampaign, ...], foul_until: float) -> tuple[Move, ...]:
    moves: list[Move] = []
    for number, campaign in enumerate(campaigns):
        at = campaign.at
        while rng.random() < 0.5:
            at += rng.expovariate(0.15)
            moves.append(Move(at, rng.choice(("pause", "pause", "resume", "rate", "lane", "cancel", "cancel")), number))
            if moves[-1].verb == "pause" and rng.random() < 0.7:
                at += rng.expovariate(0.3)
                moves.append(Move(at, "resume", number))
    return tuple(sorted((move for move in moves if move.at < foul_until), key=lambda move: move.at))


def _storms(rng: Random, climate: Climate, rates: dict[str, float], foul_until: float) -> tuple[Storm, ...]:
    """Storms come at random moments and last for seconds."""
    storms = []
    at = 0.0
    while climate.storms and (at := at + rng.expovariate(climate.storms / 60.0)) < foul_until:
        storms.append(Storm(rng.choice(list(rates)), at, at + rng.uniform(0.5, 12.0), rng.choice(STORMS)))
    return tuple(storms)
