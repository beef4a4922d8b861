"""Traces: parents where one thing leads to one, links where it leads to many, and nothing while they are off."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.amqp.publisher import carried
from shared.contracts.messages import BatchReady, PlanCampaign
from shared.observability import traces


@dataclass(frozen=True)
class Message:
    """A delivery, as far as traces look at it."""

    kind: str | None
    traceparent: str | None


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Record every span."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traces.use(provider.get_tracer("test"))
    yield exporter
    traces.use(trace.NoOpTracer())
    provider.shutdown()


def by_name(spans: Sequence[ReadableSpan]) -> dict[str, ReadableSpan]:
    """The spans by their names."""
    return {span.name: span for span in spans}


def context(span: ReadableSpan) -> trace.SpanContext:
    """A recorded span's context."""
    found: trace.SpanContext | None = span.get_span_context()
    assert found is not None
    return found


def test_a_campaign_s_way_is_one_trace_up_to_its_batches(spans: InMemorySpanExporter) -> None:
    """Request, step and next step are children; batches and merges have traces of their own, with links back."""
    with traces.served("POST", None):
        command = Message(PlanCampaign.type, traces.current())
    with traces.handled(command, "planner.commands"):
        following = Message(PlanCampaign.type, traces.current())
        batch = Message(BatchReady.type, traces.current())
    with traces.handled(following, "planner.commands.again"):
        pass
    with traces.handled(batch, "sender.low"), traces.sent(messages=500):
        result = traces.current()
    with traces.merged([result, result, None]):
        pass
    found = by_name(spans.get_finished_spans())
    request, step = found["POST"], found["campaign.plan.v1 planner.commands"]
    again, sending = found["campaign.plan.v1 planner.commands.again"], found["push.batch.v1 sender.low"]
    assert step.parent is not None
    assert step.parent.span_id == context(request).span_id
    assert again.parent is not None
    assert again.parent.span_id == context(step).span_id
    assert {context(span).trace_id for span in (request, step, again)} == {context(request).trace_id}
    assert sending.parent is None
    assert [link.context.span_id for link in sending.links] == [context(step).span_id]
    on_the_wire = found["fcm.send_batch"]
    assert on_the_wire.parent is not None
    assert on_the_wire.parent.span_id == context(sending).span_id
    merge = found["merge"]
    assert merge.parent is None
    assert [link.context.span_id for link in merge.links] == [context(on_the_wire).span_id]


def test_a_client_s_trace_goes_on(spans: InMemorySpanExporter) -> None:
    """Whoever calls the API with a `traceparent` finds the campaign in its own trace."""
    with traces.served("POST", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
        pass
    (span,) = spans.get_finished_spans()
    assert f"{context(span).trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("nonsense", ["", "nonsense", "00-0-0-0", "ff-" + "0" * 32 + "-" + "0" * 16 + "-00"])
def test_a_malformed_context_starts_a_new_trace(spans: InMemorySpanExporter, nonsense: str) -> None:
    """Headers come from anybody."""
    with traces.served("GET", nonsense), traces.merged([nonsense]):
        pass
    assert all(span.parent is None and not span.links for span in spans.get_finished_spans())


def test_nothing_is_traced_or_carried_while_traces_are_off() -> None:
    """No header, no span, the same code."""
    with traces.served("POST", None), traces.handled(Message(BatchReady.type, None), "sender.low"):
        assert traces.current() is None
    assert carried(None, None) == {}
    assert traces.configure_traces("api", None, share=1.0)() is None
