"""Incidents: what a batch's answers say about its project, platforms or campaign rather than one device. Pure.

| the answers | then |
|---|---|
| 401 UNAUTHENTICATED | a new access token, once; with a fresh token the project's circuit opens |
| 403, 404 without UNREGISTERED | the project's circuit opens |
| most requests failed, stayed unanswered or did not reach FCM | the same: an outage |
| 429 of the project | its rate is cut, and it pauses for Retry-After |
| 401 THIRD_PARTY_AUTH_ERROR | the platform stops |
| a burst of 400 before anything was accepted | the campaign stops |
| a probe that got none of these | circuit or platform are released |
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from services.sender.answers import Scope, Verdict

OUTAGE_LEAST = 10
"""Fewer failures in one batch are no outage: single servers of FCM fail all the time."""
OUTAGE_SHARE = 0.5
"""Share of a batch's answers that must have failed for an outage."""
BURST = 10
"""Refusals of the payload in one batch that stop its campaign, if FCM has accepted it for no device."""
OUTAGE_CODES = frozenset({"INTERNAL", "UNAVAILABLE", "GATEWAY_ERROR", "TIMEOUT", "CONNECTION_CUT", "CUT_ANSWER"})


@dataclass(frozen=True, slots=True)
class Incidents:
    """What to do beyond the batch; empty fields mean nothing."""

    refresh_credentials: bool = False
    open_circuit: str | None = None
    quota_wait: float | None = None
    stop_platforms: tuple[tuple[str, str], ...] = ()
    stop_campaign: Verdict | None = None

    @property
    def any(self) -> bool:
        """Whether there is anything to do."""
        return self != Incidents()


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a probe has shown to work again."""

    project: bool = False
    platforms: frozenset[str] = frozenset()

    @property
    def any(self) -> bool:
        """Whether there is anything to record."""
        return self != Recovered()


def find_incidents(
    again: Collection[tuple[Verdict, str]], *, answers: int, accepted: int, fresh_token: bool, probe: bool
) -> Incidents:
    """Read the verdicts that ended nothing, each with its device's platform, out of `answers` in all."""
    project = [verdict for verdict, _ in again if verdict.scope is Scope.PROJECT and not verdict.unreached]
    exceeded = [verdict for verdict in project if verdict.quota_exceeded]
    stale = [verdict for verdict in project if verdict.refresh_credentials]
    refused = [verdict for verdict in project if verdict not in exceeded and (fresh_token or verdict not in stale)]
    failed = [verdict for verdict, _ in again if is_outage(verdict)]
    reason = refused[0] if refused else None
    if reason is None and failed and is_burst(len(failed), answers, probe=probe):
        most = Counter(verdict.code for verdict in failed).most_common(1)[0][0]
        reason = next(verdict for verdict in failed if verdict.code == most)
    payload = [verdict for verdict, _ in again if verdict.scope is Scope.CAMPAIGN]
    platforms = {platform: verdict for verdict, platform in again if verdict.scope is Scope.PLATFORM}
    return Incidents(
        refresh_credentials=bool(stale) and not fresh_token,
        open_circuit=None if reason is None else said(reason),
        quota_wait=max((verdict.retry_after or 0.0 for verdict in exceeded), default=None),
        stop_platforms=tuple(sorted((platform, said(verdict)) for platform, verdict in platforms.items())),
        stop_campaign=payload[0] if len(payload) >= BURST and not accepted else None,
    )


def is_outage(verdict: Verdict) -> bool:
    """Whether FCM failed or could not be reached, rather than refused."""
    failed = verdict.code in OUTAGE_CODES or verdict.code.startswith("HTTP_5")
    return verdict.unreached or (verdict.scope is Scope.DEVICE and failed)


def is_burst(failed: int, answers: int, *, probe: bool) -> bool:
    """Whether so many of a batch's answers failed that FCM has an outage; a probe decides alone."""
    return probe or (failed >= OUTAGE_LEAST and failed >= OUTAGE_SHARE * answers)


def said(verdict: Verdict) -> str:
    """A reason for people: code and FCM's message."""
    return f"{verdict.code}: {verdict.message}" if verdict.message else verdict.code
