"""What the sender says about its projects."""

from services.sender.store import hindrance


def test_everything_that_keeps_a_projects_messages_back_is_said_in_words() -> None:
    """Circuit, platforms in order, pause."""
    stopped = {"web": {"reason": "push key"}, "ios": {"reason": "APNs key"}}
    said = hindrance("PERMISSION_DENIED: role missing", stopped, 41.7)
    assert said == (
        "circuit open: PERMISSION_DENIED: role missing; ios stopped: APNs key; web stopped: push key; "
        "paused for 42 s: FCM's quota is used up"
    )


def test_what_is_not_the_matter_is_not_said() -> None:
    """A past pause is none."""
    assert hindrance(None, {}, -5.0) == ""
    assert hindrance(None, {}, 2.0) == "paused for 2 s: FCM's quota is used up"
