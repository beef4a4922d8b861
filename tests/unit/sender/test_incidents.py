"""What a batch's answers say about more than its devices."""

from services.sender.answers import Scope, Verdict
from services.sender.incidents import BURST, OUTAGE_LEAST, Incidents, find_incidents

UNAVAILABLE = Verdict(None, "UNAVAILABLE", "try later")
QUOTA = Verdict(None, "RATE_LIMIT_EXCEEDED", "slow", scope=Scope.PROJECT, retry_after=30, quota_exceeded=True)
STALE = Verdict(None, "UNAUTHENTICATED", "stale", scope=Scope.PROJECT, refresh_credentials=True)
DENIED = Verdict(None, "PERMISSION_DENIED", "role missing", scope=Scope.PROJECT)
UNREACHED = Verdict(None, "CONNECT_FAILED", "refused", scope=Scope.PROJECT, answered=False, sent=False)
APNS = Verdict(None, "THIRD_PARTY_AUTH_ERROR", "bad key", scope=Scope.PLATFORM)
PAYLOAD = Verdict(None, "INVALID_ARGUMENT", "bad field", scope=Scope.CAMPAIGN)


def find(
    *verdicts: Verdict, platform: str = "ios", accepted: int = 0, fresh: bool = False, probe: bool = False
) -> Incidents:
    """Incidents of a batch whose answers were these and `accepted` acceptances."""
    again = [(verdict, platform) for verdict in verdicts]
    return find_incidents(again, answers=len(again) + accepted, accepted=accepted, fresh_token=fresh, probe=probe)


def test_single_failures_are_nobodys_trouble() -> None:
    """Single servers of FCM fail all the time."""
    assert not find(*[UNAVAILABLE] * 20, accepted=480).any


def test_when_most_of_a_batch_fails_it_is_an_outage() -> None:
    """The circuit opens with the commonest answer as its reason."""
    assert find(*[UNAVAILABLE] * OUTAGE_LEAST).open_circuit == "UNAVAILABLE: try later"
    assert not find(*[UNAVAILABLE] * (OUTAGE_LEAST - 1)).any


def test_one_failed_probe_speaks_for_all() -> None:
    """A probe is a single message: its failure keeps the circuit open."""
    assert find(UNAVAILABLE, probe=True).open_circuit == "UNAVAILABLE: try later"


def test_a_stale_token_is_refreshed_once_and_a_fresh_one_that_is_refused_opens_the_circuit() -> None:
    """401 UNAUTHENTICATED."""
    assert find(STALE) == Incidents(refresh_credentials=True)
    assert find(STALE, fresh=True) == Incidents(open_circuit="UNAUTHENTICATED: stale")


def test_a_refusal_of_the_project_opens_the_circuit() -> None:
    """403, and 404 without UNREGISTERED."""
    assert find(DENIED, accepted=400).open_circuit == "PERMISSION_DENIED: role missing"


def test_the_quota_is_no_fault_of_the_project() -> None:
    """It waits for Retry-After and the circuit stays closed."""
    assert find(QUOTA, accepted=10) == Incidents(quota_wait=30)


def test_a_platforms_credentials_stop_the_platform_only() -> None:
    """401 THIRD_PARTY_AUTH_ERROR on iOS leaves Android alone."""
    assert find(APNS, accepted=10) == Incidents(stop_platforms=(("ios", "THIRD_PARTY_AUTH_ERROR: bad key"),))


def test_a_burst_of_refused_payloads_stops_the_campaign_unless_somebody_accepted_it() -> None:
    """A few 400s may be bad tokens; ten without one acceptance are the payload."""
    assert find(*[PAYLOAD] * BURST).stop_campaign is PAYLOAD
    assert find(*[PAYLOAD] * (BURST - 1)).stop_campaign is None
    assert find(*[PAYLOAD] * BURST, accepted=1).stop_campaign is None


def test_a_connection_that_could_not_be_made_is_no_outage_while_others_work() -> None:
    """One of several connections, or one sender's network, must not stop every sender."""
    assert not find(UNREACHED, accepted=400).any
    assert not find(*[UNREACHED] * (OUTAGE_LEAST - 1)).any
    assert find(*[UNREACHED] * OUTAGE_LEAST).open_circuit == "CONNECT_FAILED: refused"
    assert find(UNREACHED, probe=True).open_circuit == "CONNECT_FAILED: refused"
