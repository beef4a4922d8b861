"""A campaign's traces as a collector receives them: from the request to FCM, over processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from shared.version import VERSION
from tests.integration.deploy.fleet import fleet
from tests.support.http_server import Handler, serving

DEVICES = 700
TRACE = "0af7651916cd43dd8448eb211c80319c"


class Collector:
    """Spans by service, as they come in."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[tuple[str, Span]] = []

    def take(self, body: bytes) -> None:
        """Keep the spans of one request."""
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            names = {entry.key: entry.value.string_value for entry in resource.resource.attributes}
            assert names["service.version"] == VERSION
            for scope in resource.scope_spans:
                self.spans += [(names["service.name"], span) for span in scope.spans]

    def named(self, name: str) -> list[Span]:
        """Spans of a name."""
        return [span for _, span in self.spans if span.name == name]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Serve OTLP over HTTP."""
    collector = Collector()

    class Take(Handler):
        def answer(self, body: bytes) -> bytes:
            """Take an export; the client compresses nothing unless told to."""
            collector.take(body)
            return b""

    with serving(Take) as url:
        collector.url = f"{url}/v1/traces"
        yield collector


@pytest.mark.timeout(120)
async def test_a_campaign_is_traced_from_the_request_to_fcm(database_url: str, amqp_url: str, tmp_path: Path) -> None:
    """Whoever sends it with a trace of its own finds the planning in it, and the batches linked to that."""
    with collecting() as collector:
        environment = {
            "CARILLON_DATABASE_URL": database_url,
            "CARILLON_AMQP_URL": amqp_url,
            "CARILLON_TRACES_URL": collector.url,
        }
        async with fleet(tmp_path, environment) as services:
            await services.register(DEVICES)
            services.api.headers["traceparent"] = f"00-{TRACE}-b7ad6b7169203331-01"
            await services.completed(await services.send())
        # Every process has flushed at its end.
    request = collector.named("POST /v1/campaigns/{campaign_id}/send")[0]
    steps = collector.named("campaign.plan.v1 planner.commands")
    batches = collector.named("push.batch.v1 sender.normal")
    sends = collector.named("fcm.send_batch")
    assert request.trace_id.hex() == TRACE
    assert {step.trace_id.hex() for step in steps} == {TRACE}
    assert request.span_id in {step.parent_span_id for step in steps}
    assert len(batches) >= 2
    for batch in batches:
        assert batch.trace_id.hex() != TRACE
        assert {link.span_id for link in batch.links} <= {step.span_id for step in steps}
    assert {send.parent_span_id for send in sends} <= {batch.span_id for batch in batches}
    linked = {link.span_id for merge in collector.named("merge") for link in merge.links}
    assert linked <= {span.span_id for span in (*sends, *batches)}
    assert linked
    assert {name for name, _ in collector.spans} == {
        f"carillon-{service}" for service in ("api", "planner", "sender", "aggregator")
    }
