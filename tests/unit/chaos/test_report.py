"""The page that tells of many seeds."""

from typing import Any

from tests.chaos.checker import CHECKS
from tests.chaos.history import Happened, History
from tests.chaos.report import BY_HAND, page
from tests.chaos.verdict import verdict
from tests.unit.chaos.checker.healthy import healthy


def told(seed: int, *happened: Happened, **findings: list[str]) -> dict[str, Any]:
    """A seed's verdict."""
    found = {name: findings.get("wrong", []) for name in CHECKS}
    return verdict(seed, 3.0, History(list(happened)), healthy(), found, [], 12.0)


def test_a_page_tells_every_seed_every_kind_and_what_was_not_done() -> None:
    """Recovery by its median and its longest; a fault that could not be done counts for nothing but is told."""
    runs = [
        told(1, *(Happened(1.0, "broker kill -9", "rabbitmq", recovery=seconds) for seconds in (1.0, 2.0, 60.0))),
        told(2, Happened(1.0, "SIGTERM api", "api"), Happened(5.0, "SIGTERM api", "api", fizzled="no such process")),
    ]
    text = page(runs)
    assert "2 of 2 seeds hold every check: 4 faults in 6 minutes," in text
    assert "| broker kill -9 | 3 | 2.0 s | 60.0 s | 0 |" in text
    assert "| SIGTERM api | 1 | — | — | 1 |" in text
    assert "seed 2, not done: 5.0 s  SIGTERM api · api: could not be done: no such process" in text


def test_three_nodes_have_a_part_of_their_own() -> None:
    """Seeds beside those of one node, then what one fault alone held up."""
    silent = {
        "fault": "parted",
        "url": "1,2,3",
        "lasted_s": 60.0,
        "fcm_silent_s": 12.3,
        "ledger_silent_s": 13.0,
        "last_devices_s": 0.4,
        "first_not_ready_s": 8.0,
        "all_ready_again_s": None,
        "sent_twice": 0,
        "balanced": True,
        "faults": [],
    }
    text = page([told(1), {**told(2), "clustered": True}, silent])
    assert text.count("1 of 1 seeds hold every check") == 2
    assert text.index("## Three nodes of RabbitMQ") < text.index("| 2 | 3 |") < text.index("## One node of three lost")
    assert "| parted | 1,2,3 | 60 s | 12.3 s | 13 s | 0.4 s | 8 s | — | 0 | agree |" in text


def test_a_broken_promise_is_told_in_its_line() -> None:
    """And counted by check."""
    text = page([told(1), told(2, wrong=["campaign 7 is over"])])
    assert "1 of 2 seeds hold every check" in text
    assert f"| {next(iter(CHECKS))} | 1 of 2 |" in text
    assert "campaign 7 is over" in text


def test_what_is_written_by_hand_is_kept() -> None:
    """The rest is made anew."""
    before = f"# An older page\n\n{BY_HAND}\n\n## One by one\n\nSeen by eye.\n"
    text = page([told(1)], before)
    assert text.endswith(f"{BY_HAND}\n\n## One by one\n\nSeen by eye.")
    assert "An older page" not in text
    assert page([told(1)], text) == text
