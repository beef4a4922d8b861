"""`amqps` against a RabbitMQ that has TLS on and asks for a client certificate."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.folders import REPOSITORY
from shared.amqp.connection import connect
from shared.amqp.depth import ready_messages
from shared.amqp.publisher import Publisher
from shared.contracts.messages import PlanCampaign
from shared.errors import BrokerUnavailableError
from shared.topology import COMMANDS, PLANNER_COMMANDS
from tests.integration.deploy.conftest import Production
from tests.support.certificates import Authority

SHORT = 1.5
"""Seconds to try a connection that must fail."""


def url(production: Production) -> str:
    """The address with everything that a service needs."""
    return production.amqps_url(
        cafile=production.authority.ca_file,
        certfile=production.client.cert_file,
        keyfile=production.client.key_file,
    )


async def test_the_bootstrap_and_a_publisher_work_over_tls(production: Production) -> None:
    """One URL is all it takes, with the three files in its query."""
    bootstrap = subprocess.run(  # noqa: ASYNC221 - ours
        [sys.executable, "-m", "shared.topology"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "CARILLON_AMQP_URL": url(production)},
    )
    assert bootstrap.returncode == 0, bootstrap.stderr
    async with await connect(url(production), name="test", timeout=10) as connection:
        publisher = Publisher(connection)
        await publisher.open(COMMANDS)
        await publisher.publish(PlanCampaign(campaign_id=1, seq=0), COMMANDS, "campaign.plan")
        assert await ready_messages(connection, PLANNER_COMMANDS.name) == 1
        await publisher.close()
    listed = production.broker.manage("GET", "/connections")
    assert isinstance(listed, list)


async def test_a_client_without_a_certificate_is_turned_away(production: Production) -> None:
    """Whatever its password."""
    with pytest.raises(BrokerUnavailableError, match="CARILLON_AMQP_URL"):
        await connect(production.amqps_url(cafile=production.authority.ca_file), name="test", timeout=SHORT)


async def test_a_broker_that_our_authority_did_not_sign_is_not_spoken_to(
    production: Production, tmp_path: Path
) -> None:
    """The password never leaves."""
    other = Authority(tmp_path, "somebody else")
    untrusting = production.amqps_url(
        cafile=other.ca_file, certfile=production.client.cert_file, keyfile=production.client.key_file
    )
    with pytest.raises(BrokerUnavailableError, match=r"(?i)certificate"):
        await connect(untrusting, name="test", timeout=SHORT)
