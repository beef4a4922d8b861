"""Devices that do not exist."""

import json

from deploy.local.made_up import lines, token


def test_tokens_are_alike_for_no_two_devices_and_as_long_as_real_ones() -> None:
    """Unique, stable, about 150 characters."""
    tokens = {token(number) for number in range(5_000)}
    assert len(tokens) == 5_000
    assert token(7) in tokens
    assert {len(each) for each in tokens} <= set(range(140, 170))


def test_lines_are_what_the_bulk_route_takes() -> None:
    """One JSON document a line with user, platform, target and project."""
    documents = [json.loads(line) for line in lines(range(100))]
    assert set(documents[0]) == {"user_id", "platform", "target", "project"}
    assert {document["platform"] for document in documents} == {"android", "ios", "web"}
