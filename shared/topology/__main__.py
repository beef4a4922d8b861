"""`python -m shared.topology`: put the topology on the vhost of CARILLON_AMQP_URL.

Exchanges, queues and bindings go over AMQP. With CARILLON_MANAGEMENT_URL the policies follow, and with
CARILLON_BROKER_PASSWORDS_DIR the restricted users of `shared.topology.access`.
"""

import asyncio
import os
import sys
from typing import Self

from aiormq.exceptions import ChannelAccessRefused
from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.amqp import hosts
from shared.amqp.connection import connect
from shared.config import load
from shared.errors import BrokerRefusedError, CarillonError, TopologyDiffersError
from shared.topology import EXCHANGES, QUEUES
from shared.topology.declare import declare
from shared.topology.differing import Difference, differing
from shared.topology.inspection import Inspector
from shared.topology.management import Management, passwords
from shared.values import BaseUrl, BrokerUrl, Certificates, Folder, Seconds
from shared.variables import strangers


class TopologySettings(BaseSettings):
    """All that the bootstrap needs."""

    model_config = SettingsConfigDict(env_prefix="CARILLON_", extra="ignore", hide_input_in_errors=True)

    amqp_url: BrokerUrl = Field(
        description="The broker and its vhost, as an administrator of it", examples=[hosts.EXAMPLE]
    )
    management_url: BaseUrl | None = Field(
        None,
        description="RabbitMQ's management API, such as http://rabbitmq:15672: policies are put there",
        examples=["http://rabbitmq:15672"],
    )
    management_ca_file: Certificates | None = Field(
        None,
        description="CA certificates to trust for it, when it is https",
        examples=["/etc/ssl/rabbitmq-ca.pem"],
    )
    broker_passwords_dir: Folder | None = Field(
        None,
        description="Folder with a file for each restricted broker user, holding its password",
        examples=["/run/broker"],
    )
    start_timeout: Seconds = Field(60.0, description="Seconds to wait for the broker before giving up")

    @model_validator(mode="after")
    def _users_need_the_management(self) -> Self:
        if self.broker_passwords_dir is not None and self.management_url is None:
            raise ValueError(
                "CARILLON_BROKER_PASSWORDS_DIR is set and CARILLON_MANAGEMENT_URL is not: users are made through the "
                "management API; an example is CARILLON_MANAGEMENT_URL=http://rabbitmq:15672"
            )
        return self


async def main() -> None:
    """Connect, compare, declare, put; say what is there. Raises `TopologyDiffersError` before anything is changed."""
    settings = load(TopologySettings)
    if (told := strangers(os.environ)) is not None:
        sys.stderr.write(f"{told}\n")
    url = settings.amqp_url.get_secret_value()
    broker = hosts.parse(url)
    management = _management(settings, broker)
    connection = await connect(url, name="topology", timeout=settings.start_timeout)
    async with connection:
        found = await _differences(Inspector(connection), management, broker.vhost)
        if found:
            raise TopologyDiffersError(_told(found, whole=management is not None))
        async with connection.channel() as channel:
            await declare(channel)
    sys.stdout.write(f"Declared {len(EXCHANGES)} exchanges and {len(QUEUES)} queues.\n")
    if management is not None:
        await asyncio.to_thread(_manage, settings, management, broker.vhost)


def _management(settings: TopologySettings, broker: hosts.BrokerUrl) -> Management | None:
    if settings.management_url is None:
        return None
    return Management(
        settings.management_url,
        user=broker.user or "guest",
        password=broker.password or "guest",
        ca_file=settings.management_ca_file,
    )


async def _differences(inspector: Inspector, management: Management | None, vhost: str) -> list[Difference]:
    """By the broker's refusals, and by the management API, which tells all of each and beats them."""
    try:
        seen = await inspector.look(EXCHANGES, QUEUES)
        refused = await differing(
            inspector.channel,
            [name for name in EXCHANGES if name not in seen.missing],
            [queue for queue in QUEUES if not seen.lacks(queue)],
        )
    except ChannelAccessRefused as error:
        raise BrokerRefusedError(
            f"The user of CARILLON_AMQP_URL may not declare our exchanges and queues: {error}. Use an administrator of "
            f"the vhost."
        ) from error
    listed = await asyncio.to_thread(management.differences, vhost) if management is not None else []
    known = {difference.what for difference in listed}
    return [*(difference for difference in refused if difference.what not in known), *listed]


def _told(found: list[Difference], *, whole: bool) -> str:
    more = "" if whole else "\nOf each only the first difference is told: with CARILLON_MANAGEMENT_URL all are."
    lines = "".join(f"\n- {difference}" for difference in found)
    return f"The vhost holds what is ours and is not as it should be; nothing was changed.{lines}{more}"


def _manage(settings: TopologySettings, management: Management, vhost: str) -> None:
    sys.stdout.write(f"Put {management.put_policies(vhost)} policies.\n")
    if settings.broker_passwords_dir is not None:
        users = passwords(settings.broker_passwords_dir)
        for user, password in users.items():
            management.put_user(user, password, vhost)
        sys.stdout.write(f"Put {len(users)} users: {', '.join(user.name for user in users)}.\n")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except CarillonError as error:
        sys.exit(str(error))
