"""The rate, by FCM's own record."""

from tests.chaos.checker.rate import longest_stall, within_quota
from tests.chaos.witnesses import Stall
from tests.unit.chaos.checker.healthy import FIRST_TENTH, campaign, flow, healthy

STEADY = [10] * 20
BURST = [10] * 10 + [100] + [10] * 9
AT = FIRST_TENTH / 10


def test_a_burst_is_found_with_its_second() -> None:
    """Ninety more than the quota in one tenth of a second."""
    found = within_quota(healthy(campaign(arrivals=flow(*BURST)), began=AT))
    assert "over 100/s: at worst 190 messages in the second from" in found[0]


def test_a_burst_is_found_that_no_campaign_makes_alone() -> None:
    """The quota is the project's."""
    both = (campaign(1, arrivals=flow(*STEADY)), campaign(2, arrivals=flow(*STEADY)))
    assert len(within_quota(healthy(*both))) == 1


def test_what_waited_for_a_stalled_emulator_is_no_burst() -> None:
    """It arrived while nobody looked, and is seen at once."""
    stall = Stall(AT + 0.2, AT + 1.05)
    assert within_quota(healthy(campaign(arrivals=flow(*BURST)), stalls=[stall])) == []


def test_a_claim_that_took_long_to_commit_explains_its_second_and_no_more() -> None:
    """Of five seconds that PostgreSQL was away one is excused."""
    late = [Stall(AT - 0.5, AT + 0.4)]
    assert within_quota(healthy(campaign(arrivals=flow(*BURST)), commits=late)) == []
    away = [Stall(AT - 4.0, AT + 1.0)]
    worse = [10] * 10 + [160] + [10] * 9
    assert len(within_quota(healthy(campaign(arrivals=flow(*worse)), commits=away))) == 1


def test_a_campaign_over_its_own_rate_is_found() -> None:
    """However far the project is from its quota."""
    slow = campaign(arrivals=flow(*([9] * 20)), rate=50.0)
    assert "campaign 1 with a rate of its own is over 50/s" in within_quota(healthy(slow))[0]


def test_a_minute_over_the_quota_is_found() -> None:
    """A little too much, which half a minute does not show, beyond what FCM grants."""
    both = [
        campaign(number, arrivals=flow(*(mix * 175)), rate=60.0)
        for number, mix in ((1, [5, 5, 5, 5]), (2, [5, 5, 5, 6]))
    ]
    assert within_quota(healthy(*both)) == ["in a minute 6150 messages arrived, the quota is 6120"]


def test_campaigns_with_rates_of_their_own_are_found_that_exceed_the_quota_together() -> None:
    """Each within its own: for a second they may, for half a minute they may not."""
    for tenths, found in ((20, 0), (400, 1)):
        both = [campaign(number, arrivals=flow(*([6] * tenths)), rate=60.0) for number in (1, 2)]
        wrong = within_quota(healthy(*both, began=AT))
        assert len(wrong) == found
        assert all(
            "all campaigns are over 100/s: at worst 3600 messages in the 30 seconds from" in one for one in wrong
        )


def test_no_message_at_all_is_within_any_quota() -> None:
    """An audience of none."""
    assert within_quota(healthy(campaign(letters="", arrivals=[]))) == []


def test_only_a_stall_that_touches_the_second_explains_it() -> None:
    """Neither one that was over nor one that came later."""
    stalls = [Stall(1.0, 1.5), Stall(3.0, 3.2), Stall(9.0, 9.9)]
    assert longest_stall(stalls, 1.6, 2.6) == 0
    assert round(longest_stall(stalls, 1.2, 3.1), 3) == 0.5
