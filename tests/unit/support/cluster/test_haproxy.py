"""What haproxy is told."""

import pytest

from tests.support.cluster.haproxy import WITHOUT_LEADERS, Check, configuration

SERVERS = [("rabbitmq-1", "10.1.2.129"), ("rabbitmq-2", "10.1.2.130")]


@pytest.mark.parametrize("check", Check)
def test_a_node_that_is_lost_is_left_at_once(check: Check) -> None:
    """A connection that cannot be made goes to another node, and sessions with a lost node end."""
    text = configuration(5000, SERVERS, check, "Basic eA==")
    for words in (
        "option redispatch 1",
        "retries 2",
        "timeout connect 1s",
        "fall 1",
        "on-marked-down shutdown-sessions",
    ):
        assert words in text
    assert [line.split()[1:3] for line in text.splitlines() if line.strip().startswith("server ")] == [
        ["rabbitmq-1", "10.1.2.129:5672"],
        ["rabbitmq-2", "10.1.2.130:5672"],
    ]


def test_leaders_are_asked_for_by_the_management() -> None:
    """With the login of the services; a check of the port asks nothing."""
    leaders = configuration(5000, SERVERS, Check.LEADERS, "Basic eA==")
    assert WITHOUT_LEADERS in leaders
    assert '"Basic eA=="' in leaders
    assert leaders.count("check port 15672") == len(SERVERS)
    assert "httpchk" not in configuration(5000, SERVERS, Check.PORT, "")
