"""The bad days. What each expects is the product's promise for it."""

from collections.abc import Iterable

from tests.rehearsals.day import (
    AT_MOST_ONCE,
    ONCE,
    SOME,
    Day,
    Played,
    all_accepted,
    few,
    no_token_lost,
    only,
    seen,
    told,
)

IN_HAND = 6_000
"""Messages that may fail while a circuit opens: four batches of a lane are on their way, some claims behind them."""
CIRCUIT = {"project.circuit_opened": SOME, "project.circuit_closed": SOME}


def _rate_was_cut(_day: Day, played: Played) -> Iterable[str]:
    if played.project["cut_rate"] is None:
        yield "the project's rate was not cut"


def _pause_is_bounded(_day: Day, played: Played) -> Iterable[str]:
    if not 0 < played.project["pause"] <= 3600:
        yield f"the project pauses for {played.project['pause']:.0f} s: an hour is the most that is believed"


def _refreshed_once(_day: Day, played: Played) -> Iterable[str]:
    if played.refreshes != 1:
        yield f"{played.refreshes} access tokens were fetched, not one"


def _half_went_out(day: Day, played: Played) -> Iterable[str]:
    if played.early < day.devices / 2:
        yield f"only {played.early} devices had got it when the other project was mended"


def _dead_tokens_are_off(day: Day, played: Played) -> Iterable[str]:
    if played.inactive != played.letters["U"] or not 0.4 < played.letters["U"] / day.devices < 0.6:
        yield f"{played.letters['U']} tokens are dead, {played.inactive} devices are inactive"


DAYS = (
    Day(
        name="quota_halved",
        story="FCM grants half of what the project is set to: the rate is cut, the campaign takes longer, no more",
        script={"shares": {}, "quota": {"per_second": 500, "window": 1.0}},
        checks=(all_accepted, seen("RATE_LIMIT_EXCEEDED"), few("RATE_LIMIT_EXCEEDED", 1_000), _rate_was_cut),
    ),
    Day(
        name="retry_after_absurd",
        story="a fifth gets 429 with a Retry-After of a year: an hour is believed, the deadline ends the campaign",
        script={"shares": {"RATE_LIMIT_EXCEEDED": 0.2}, "retry_after": 31_536_000},
        campaign={"ttl_seconds": 15},
        checks=(only("AX"), seen("RATE_LIMIT_EXCEEDED"), few("RATE_LIMIT_EXCEEDED", 1_000), _pause_is_bounded),
    ),
    Day(
        name="storm_of_503",
        story="a third of the answers is 503 for some seconds: these devices are tried again, nothing stops",
        script={"shares": {"UNAVAILABLE": 0.33}},
        lasts=3,
        checks=(all_accepted, seen("UNAVAILABLE", 100)),
    ),
    Day(
        name="outage",
        story="half an hour (30 s here) of 503: the circuit opens, single probes, then everything goes out",
        script={"shares": {"UNAVAILABLE": 1.0}},
        lasts=30,
        events={"project.circuit_opened": ONCE, "project.circuit_closed": ONCE},
        checks=(all_accepted, few("UNAVAILABLE", IN_HAND)),
    ),
    Day(
        name="internal_errors",
        story="500 to everything for some seconds: the same as an outage",
        script={"shares": {"INTERNAL": 1.0}},
        lasts=4,
        events=CIRCUIT,
        checks=(all_accepted, few("INTERNAL", IN_HAND)),
    ),
    Day(
        name="token_revoked",
        story="the access token becomes stale in mid-campaign: one refresh, nobody notices",
        strike="revoke",
        checks=(all_accepted, seen("UNAUTHENTICATED"), few("UNAUTHENTICATED", 1_000), _refreshed_once),
    ),
    Day(
        name="credentials_refused",
        story="401 whatever the token: the circuit opens until FCM knows us again",
        script={"shares": {"UNAUTHENTICATED": 1.0}},
        lasts=13,
        events=CIRCUIT,
        checks=(all_accepted, no_token_lost, few("UNAUTHENTICATED", IN_HAND), told("circuit open")),
    ),
    Day(
        name="key_revoked",
        story="the token is stale and no new one is granted: the circuit opens until the key is accepted again",
        script={"shares": {}, "credentials": "refused"},
        strike="revoke",
        lasts=5,
        events=CIRCUIT,
        checks=(all_accepted, no_token_lost, few("UNAUTHENTICATED", IN_HAND), told("circuit open")),
    ),
    Day(
        name="role_missing",
        story="403 PERMISSION_DENIED: somebody took the role away; the circuit opens until it is back",
        script={"shares": {"PERMISSION_DENIED": 1.0}},
        lasts=4,
        events=CIRCUIT,
        checks=(
            all_accepted,
            no_token_lost,
            few("PERMISSION_DENIED", IN_HAND),
            told("circuit open: PERMISSION_DENIED"),
        ),
    ),
    Day(
        name="one_project_of_two",
        story="one of a campaign's two projects is refused: the other's devices all get it meanwhile",
        script={"shares": {"PERMISSION_DENIED": 1.0}},
        split=True,
        devices=12_000,
        lasts=12,
        events=CIRCUIT,
        checks=(
            all_accepted,
            no_token_lost,
            few("PERMISSION_DENIED", IN_HAND),
            told('"project second": "circuit open: PERMISSION_DENIED'),
            _half_went_out,
        ),
    ),
    Day(
        name="wrong_project",
        story="404 that does not say UNREGISTERED: the project stops and no token is touched",
        script={"shares": {"NOT_FOUND": 1.0}},
        lasts=4,
        events=CIRCUIT,
        checks=(all_accepted, no_token_lost, few("NOT_FOUND", IN_HAND), told("circuit open: NOT_FOUND")),
    ),
    Day(
        name="html_502",
        story="a proxy answers 502 with a page: an outage, and nobody can know what was delivered",
        script={"shares": {"BAD_GATEWAY": 1.0}},
        lasts=4,
        events=CIRCUIT,
        checks=(all_accepted, no_token_lost, few("BAD_GATEWAY", IN_HAND)),
    ),
    Day(
        name="goaway_storm",
        story="GOAWAY on every connection twice a second: requests move on, none is lost or repeated",
        script={"shares": {}, "goaway_every": 0.5},
        checks=(all_accepted,),
    ),
    Day(
        name="slow_answers",
        story="answers take seconds, one in a hundred never comes: what went unanswered is tried again",
        script={"shares": {"HANG_LOST": 0.01}, "latency": "lognormal:2000ms:0.5"},
        lasts=25,
        checks=(all_accepted, seen("HANG_LOST")),
    ),
    Day(
        name="connections_cut",
        story="every connection is cut three times a second, at_most_once: unknown is said, nobody gets it twice",
        script={"shares": {}, "latency": "lognormal:50ms", "cut_every": 0.3},
        campaign=AT_MOST_ONCE,
        checks=(only("A?"),),
    ),
    Day(
        name="answers_lost",
        story="one in a hundred is delivered unanswered, one vanishes, at_most_once: unknown, and never twice",
        script={"shares": {"CUT": 0.01, "CUT_LOST": 0.01}},
        campaign=AT_MOST_ONCE,
        checks=(only("A?"), seen("CUT")),
    ),
    Day(
        name="payload_refused",
        story="400 to every device from the start: the campaign stops with FCM's words; mended, it goes out",
        script={"shares": {"INVALID_ARGUMENT": 1.0}},
        good=0,
        lasts=4,
        resume=True,
        events={"campaign.stopped": ONCE},
        checks=(all_accepted, no_token_lost, few("INVALID_ARGUMENT", IN_HAND)),
    ),
    Day(
        name="half_the_tokens_dead",
        story="every second token is dead: that many devices are deactivated, and nothing stops",
        script={"shares": {"UNREGISTERED": 0.5}},
        good=0,
        checks=(only("AU"), _dead_tokens_are_off),
    ),
    Day(
        name="apns_key_wrong",
        story="iOS devices get 401 THIRD_PARTY_AUTH_ERROR: Android goes on, iOS waits until the key is mended",
        ios="THIRD_PARTY_AUTH_ERROR",
        lasts=6,
        events={"project.platform_stopped": SOME, "project.platform_released": SOME},
        checks=(all_accepted, few("THIRD_PARTY_AUTH_ERROR", IN_HAND), told("ios stopped: THIRD_PARTY_AUTH_ERROR")),
        within=180,
    ),
)
