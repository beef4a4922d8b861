"""The script: which answer a token gets, decided by a seed and shares, the same on every run.

A `Script` is what a rehearsal writes (JSON, `PUT /emulator/script`). A `Draw` is one set of shares made ready for the
hot path: two multiplications a message. A `Plan` is a script at work: it turns from one draw to the next as its
windows open and close.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from math import inf, log
from typing import TYPE_CHECKING, Annotated, Any, Self
from zlib import crc32

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, model_validator

from services.fcm_emulator.answers import ACCEPTED, STABLE, TRANSIENT, Answer

if TYPE_CHECKING:
    import random

_SPACE = 1 << 32
_MASK = _SPACE - 1
# Odd constants with well spread bits. CRC-32 is linear: only the multiplication makes attempts and seeds independent.
_STABLE_MIX = 2654435761
_TRANSIENT_MIX = 2246822519
_SALTS = tuple((0x9E3779B9 * (nth + 1)) & _MASK for nth in range(64))

DEFAULT_SHARES = {Answer.UNREGISTERED: 0.01, Answer.UNAVAILABLE: 0.005}
_LATENCY = re.compile(r"(?P<shape>lognormal|fixed):(?P<median>\d+(\.\d+)?)ms(:(?P<sigma>\d+(\.\d+)?))?")


class Draw:
    """One set of shares, as ceilings in a space of 2³²."""

    __slots__ = ("_seed", "_stable", "_stable_ceiling", "_transient", "_transient_ceiling")

    def __init__(self, seed: int, shares: dict[Answer, float]) -> None:
        self._seed = seed & _MASK
        self._stable = _ceilings(shares, STABLE, whole=1.0)
        self._stable_ceiling = self._stable[-1][0] if self._stable else 0
        alive = 1.0 - sum(shares.get(answer, 0.0) for answer in STABLE)
        self._transient = _ceilings(shares, TRANSIENT, whole=alive)
        self._transient_ceiling = self._transient[-1][0] if self._transient else 0

    def answer(self, token: bytes, nth: int) -> Answer:
        """Return the answer to the nth request (from 0) for a token."""
        mark = crc32(token, self._seed)
        stable = mark * _STABLE_MIX & _MASK
        if stable < self._stable_ceiling:
            return _pick(self._stable, stable)
        transient = (mark ^ _SALTS[nth & 63]) * _TRANSIENT_MIX & _MASK
        if transient < self._transient_ceiling:
            return _pick(self._transient, transient)
        return ACCEPTED


def _ceilings(shares: dict[Answer, float], answers: tuple[Answer, ...], *, whole: float) -> list[tuple[int, Answer]]:
    ceilings, total = [], 0.0
    for answer in answers:
        if share := shares.get(answer, 0.0):
            total += share
            ceilings.append((min(_SPACE, round(total / whole * _SPACE)) if whole > 0 else _SPACE, answer))
    return ceilings


def _pick(ceilings: list[tuple[int, Answer]], point: int) -> Answer:
    return next(answer for ceiling, answer in ceilings if point < ceiling)


@dataclass(frozen=True, slots=True)
class Latency:
    """How long an answer takes, after its fate is decided and recorded."""

    shape: str
    median: float
    sigma: float

    def sample(self, rng: random.Random) -> float:
        """Return seconds."""
        if self.shape == "fixed" or self.median == 0:
            return self.median
        return rng.lognormvariate(log(self.median), self.sigma)

    def __str__(self) -> str:
        """Return the form it is written in."""
        spread = f":{self.sigma:g}" if self.shape == "lognormal" else ""
        return f"{self.shape}:{self.median * 1000:g}ms{spread}"


def read_latency(text: Any) -> Any:
    """Read `lognormal:100ms`, `lognormal:100ms:0.5` (median, sigma) or `fixed:20ms`."""
    if not isinstance(text, str):
        return text
    if not (found := _LATENCY.fullmatch(text)):
        raise ValueError(f"latency {text!r} is not of the form lognormal:100ms, lognormal:100ms:0.5 or fixed:20ms")
    return Latency(found["shape"], float(found["median"]) / 1000, float(found["sigma"] or 0.5))


class Credentials(StrEnum):
    """What the OAuth endpoint says to a signed assertion."""

    GRANTED = "granted"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


def _whole(shares: dict[Answer, float]) -> dict[Answer, float]:
    if ACCEPTED in shares:
        raise ValueError("ACCEPTED is what the other shares leave; give only the others")
    if wrong := {answer.value: share for answer, share in shares.items() if not 0 <= share <= 1}:
        raise ValueError(f"a share is between 0 and 1, not {wrong}")
    if (total := sum(shares.values())) > 1 + 1e-9:
        raise ValueError(f"the shares add up to {total:g}: make it at most 1")
    return shares


Shares = Annotated[dict[Answer, float], Field(default_factory=lambda: dict(DEFAULT_SHARES))]
MaybeLatency = Annotated[
    Latency | None, BeforeValidator(read_latency), PlainSerializer(lambda latency: latency and str(latency))
]


class Window(BaseModel):
    """Other shares (and latency) for a while, in seconds from when the script was set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    starts: float = Field(ge=0)
    lasts: float = Field(gt=0)
    shares: dict[Answer, float]
    latency: MaybeLatency = None

    @model_validator(mode="after")
    def _shares_are_whole(self) -> Self:
        _whole(self.shares)
        return self


class Quota(BaseModel):
    """A project's allowance: a bucket filled to the brim at the start of each window, as FCM's is each minute."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    per_second: float = Field(gt=0)
    window: float = Field(default=60.0, gt=0)


class Script(BaseModel):
    """All that can be told to the emulator; what is left out has its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    shares: Shares
    # By name: what these tokens get at every attempt, windows or not.
    tokens: dict[str, Answer] = Field(default_factory=dict)
    windows: tuple[Window, ...] = ()
    latency: MaybeLatency = None
    retry_after: int | None = Field(default=None, ge=0)
    quota: Quota | None = None
    credentials: Credentials = Credentials.GRANTED
    token_lifetime: int = Field(default=3599, gt=0)
    goaway_every: float | None = Field(default=None, gt=0)
    cut_every: float | None = Field(default=None, gt=0)
    # A stream too many ends its connection, as it does at FCM; otherwise it is refused and the others go on.
    goaway_on_surplus: bool = False

    @model_validator(mode="after")
    def _shares_are_whole(self) -> Self:
        _whole(self.shares)
        return self

    def answer(self, token: bytes, nth: int, now: float) -> Answer:
        """Return the answer to the nth request (from 0) for a token, `now` seconds after the script was set."""
        return Plan(self, started=0.0).answer(token, nth, now)


def explain(wrong: ValidationError) -> str:
    """Return a sentence for each thing that is wrong with a script, with its place."""
    return "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in wrong.errors())


class Plan:
    """A script at work since `started` (epoch seconds)."""

    __slots__ = ("_draw", "_named", "_turns_at", "latency", "script", "started")

    def __init__(self, script: Script, *, started: float) -> None:
        self.script = script
        self.started = started
        self.latency = script.latency
        self._named = {token.encode(): answer for token, answer in script.tokens.items()}
        self._draw = Draw(script.seed, script.shares)
        self._turns_at = -inf if script.windows else inf

    def answer(self, token: bytes, nth: int, now: float) -> Answer:
        """Return the answer to the nth request (from 0) for a token; the last window that is open wins."""
        if now >= self._turns_at:
            self._turn(now - self.started)
        if self._named and token in self._named:
            return self._named[token]
        return self._draw.answer(token, nth)

    def _turn(self, elapsed: float) -> None:
        script = self.script
        shares, self.latency = script.shares, script.latency
        for window in script.windows:
            if window.starts <= elapsed < window.starts + window.lasts:
                shares, self.latency = window.shares, window.latency or script.latency
        self._draw = Draw(script.seed, shares)
        edges = [edge for window in script.windows for edge in (window.starts, window.starts + window.lasts)]
        self._turns_at = self.started + min((edge for edge in edges if edge > elapsed), default=inf)
