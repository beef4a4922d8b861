"""RabbitMQ's own metrics, under the names that alerts and dashboard use."""

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.folders import REPOSITORY
from shared.amqp.connection import connect
from shared.topology import QUEUES
from shared.topology.declare import declare
from tests.integration.deploy.conftest import Production
from tests.support.eventually import eventually
from tests.support.versions import newer, rabbitmq_of
from tests.unit.deploy.watching.expressions import FROM_THE_BROKER, GONE_SINCE_4_3


@pytest.mark.timeout(120)
async def test_a_broker_exports_what_alerts_and_dashboard_read(production: Production) -> None:
    """On the two pages that deploy/prometheus/prometheus.yaml scrapes, with its own parameters."""
    config = yaml.safe_load((REPOSITORY / "deploy/prometheus/prometheus.yaml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    connection = await connect(production.broker.amqp_url(), name="test", timeout=10)
    async with connection, connection.channel() as channel:
        await declare(channel)
        gone = GONE_SINCE_4_3 if newer(rabbitmq_of(connection), "4.3") else set[str]()
    wanted = {name: labels for name, labels in FROM_THE_BROKER.items() if name not in gone}
    async with httpx.AsyncClient(base_url=production.metrics_url, trust_env=False) as client:

        async def exported() -> dict[str, set[str]]:
            found: dict[str, set[str]] = {}
            for job in (jobs["rabbitmq"], jobs["rabbitmq-queues"]):
                page = await client.get(job.get("metrics_path", "/metrics"), params=job.get("params"))
                for family in text_string_to_metric_families(page.text):
                    for sample in family.samples:
                        found.setdefault(sample.name, set()).update(sample.labels)
            missing = set(wanted) - set(found)
            assert not missing, missing
            return found

        labels = await eventually(exported, within=20.0)
        for name, expected in wanted.items():
            assert expected <= labels[name]

        async def every_queue() -> bool:
            page = (await client.get("/metrics/detailed", params=jobs["rabbitmq-queues"]["params"])).text
            return all(f'queue="{queue.name}"' in page for queue in QUEUES)

        await eventually(every_queue, within=20.0)
