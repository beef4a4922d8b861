"""The ledger against itself, its counters and FCM's record."""

from dataclasses import replace

from deploy.local.audit import Entry, Seen
from tests.chaos.checker import CHECKS, books, check
from tests.unit.chaos.checker.healthy import campaign, counted, healthy


def test_every_check_holds_on_a_healthy_state() -> None:
    """With two campaigns to the end."""
    found = check(healthy(campaign(1), campaign(2, "AACXDSR", delivery="at_most_once", arrivals=[])))
    assert found == {name: [] for name in CHECKS}


def test_a_pending_device_is_found() -> None:
    """It has no outcome, and nothing will give it one."""
    assert "without an outcome" in books.one_letter(healthy(campaign(letters="AA.")))[0]


def test_a_device_that_was_planned_twice_is_found() -> None:
    """Whatever its letters."""
    twice = campaign()
    twice = replace(twice, entries=[*twice.entries, twice.entries[0]])
    assert "planned 1 devices (such as token-1-0…) more than once" in books.one_letter(healthy(twice))[0]


def test_a_letter_that_does_not_exist_is_found() -> None:
    """Not counted as anything else."""
    strange = replace(campaign(), entries=[Entry("token", "Z", active=True)])
    assert "letters that do not exist" in books.one_letter(healthy(strange))[0]


def test_a_counter_that_differs_is_found() -> None:
    """With both figures."""
    wrong = campaign(counters={**counted("AAAU?"), "accepted": 4})
    assert books.counters(healthy(wrong)) == ["campaign 1 counts 4 accepted, its batches hold 3"]


def test_an_audience_that_differs_is_found() -> None:
    """A batch without devices, or devices without a batch."""
    wrong = campaign(counters={**counted("AAAU?"), "total": 6})
    assert books.counters(healthy(wrong)) == ["campaign 1 has an audience of 6, its batches hold 5 devices"]


def test_letters_that_the_record_denies_are_found() -> None:
    """Accepted and never seen; seen and cancelled; a target of nobody."""
    wrong = campaign(
        letters="AC", seen={"token-1-1": Seen(1, called_dead=False), "stranger": Seen(1, called_dead=False)}
    )
    found = "\n".join(books.contradictions(healthy(wrong)))
    assert "devices accepted in the ledger, never by the emulator" in found
    assert "devices accepted by the emulator, cancelled in the ledger" in found
    assert "targets at the emulator that it never planned" in found


def test_a_token_that_was_dead_to_another_campaign_is_no_contradiction() -> None:
    """The second campaign skips the device that the first one found dead."""
    second = campaign(2, "S", entries=[Entry("token-1-3", "S", active=False)], seen={})
    assert books.contradictions(healthy(campaign(1), second)) == []


def test_repeats_over_the_bound_are_found() -> None:
    """With both figures."""
    wrong = campaign(letters="?", repeats_allowed=2, seen={"token-1-0": Seen(4, called_dead=False)})
    assert books.duplicates(healthy(wrong)) == ["campaign 1 repeated 3 messages, its bound is 2"]
    within = campaign(letters="?", repeats_allowed=3, seen={"token-1-0": Seen(4, called_dead=False)})
    assert books.duplicates(healthy(within)) == []


def test_a_repeat_without_a_doubt_is_found() -> None:
    """Though the campaign's bound would hold it."""
    wrong = campaign(letters="A", seen={"token-1-0": Seen(2, called_dead=False)})
    assert "no lease over them was lost" in books.duplicates(healthy(wrong))[0]


def test_any_repeat_of_at_most_once_is_found() -> None:
    """There is no bound but none."""
    wrong = campaign(letters="?", delivery="at_most_once", seen={"token-1-0": Seen(2, called_dead=False)})
    assert "is at_most_once, and 1 messages were delivered again" in books.duplicates(healthy(wrong))[0]


def test_an_inactive_device_that_nobody_called_dead_is_found() -> None:
    """A token that lives is lost to every later campaign."""
    found = books.dead_tokens(healthy(inactive=frozenset({"token-1-3", "token-1-0"})))
    assert found == ["1 devices (such as token-1-0…) are inactive though the emulator never called them dead"]


def test_a_dead_token_that_is_still_active_is_found() -> None:
    """It would be pushed to again and again."""
    assert "still active" in books.dead_tokens(healthy(inactive=frozenset()))[0]
