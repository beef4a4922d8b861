"""`rabbitmq.conf` as a broker reads it: the same file for every version from 3.10 on."""

from pathlib import Path

from deploy.local.folders import REPOSITORY
from tests.integration.deploy.conftest import Production

CONFIGURATION: Path = REPOSITORY / "deploy" / "rabbitmq" / "rabbitmq.conf"


def test_the_broker_takes_our_configuration(production: Production) -> None:
    """It would not have started otherwise; what it has understood of the patience with consumers it says."""
    assert production.broker.control is not None
    said = production.broker.control("eval", "application:get_env(rabbit, consumer_timeout).")
    assert said.strip() == "{ok,1800000}"
    assert "\nconsumer_timeout = 1800000\n" in CONFIGURATION.read_text()
