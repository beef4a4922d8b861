"""What RabbitMQ says when it does not take another version's data, in its own words, and what we say then."""

from pathlib import Path

import pytest

from deploy.local.errors import StartError
from deploy.local.kept_data import refused_flag, told, written_since

ON_4_0 = """
2026-11-30 00:27:19.100923+00:00 [error] <0.216.0> Feature flags: `stream_single_active_consumer`: required feature flag not enabled! It must be enabled before upgrading RabbitMQ.
2026-11-30 00:27:19.120356+00:00 [error] <0.216.0> Failed to initialize feature flags registry: {disabled_required_feature_flag,
2026-11-30 00:27:19.120356+00:00 [error] <0.216.0>                                               stream_single_active_consumer}
2026-11-30 00:27:19.131427+00:00 [error] <0.216.0> BOOT FAILED
"""  # noqa: E501 - the words of 4.0.5 on data of 3.10.8
ON_4_3 = """
2026-11-30 00:27:30.074535+00:00 [error] <0.209.0> Feature flags: `listener_records_in_ets`: required feature flag not enabled! It must be enabled before upgrading RabbitMQ.
2026-11-30 00:27:30.087383+00:00 [error] <0.209.0> Error during startup: {error,
"""  # noqa: E501 - the words of 4.3.6 on data of 3.10.8


@pytest.mark.parametrize(
    ("log", "flag"), [(ON_4_0, "stream_single_active_consumer"), (ON_4_3, "listener_records_in_ets")]
)
def test_a_feature_flag_that_is_wanted_is_named_with_the_ways_on(log: str, flag: str) -> None:
    """Before the log's last lines, which hide it."""
    error = told(StartError("rabbitmq exited with code 1"), log, "/kept", removal="rm -r /kept")
    reason, *ways, last = str(error).splitlines()
    assert reason.startswith("This RabbitMQ does not take what an older one kept in /kept")
    assert f"`{flag}`" in reason
    assert ["--name" in ways[0], "rm -r /kept" in ways[1], "enable_feature_flag all" in ways[2]] == [True] * 3
    assert last == "rabbitmq exited with code 1"


def test_any_other_end_is_told_as_it_was() -> None:
    """Flags that are enabled, and a port that is taken."""
    log = "Feature flags:   [x] quorum_queue\n[error] eaddrinuse"
    error = StartError("rabbitmq exited with code 1")
    assert refused_flag(log) is None
    assert told(error, log, "/kept", removal="rm") is error


def test_only_what_this_start_wrote_counts(tmp_path: Path) -> None:
    """A log of kept data holds the refusals of earlier starts."""
    log = tmp_path / "rabbitmq.log"
    assert written_since(log, 0) == ""
    log.write_text(ON_4_0)
    before = log.stat().st_size
    with log.open("a") as file:
        file.write("eaddrinuse")
    assert written_since(log, before) == "eaddrinuse"
