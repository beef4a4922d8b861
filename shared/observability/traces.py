"""Traces by OpenTelemetry, from the HTTP request through messages to FCM. Off unless CARILLON_TRACES_URL is set.

| span | begins | its context |
|---|---|---|
| `POST /v1/…` | the API serves a request | the client's `traceparent`, if it sent one |
| `campaign.plan.v1 planner.commands` | a command is handled | child of the request, then of the step before |
| `push.batch.v1 sender.low` | a batch is handled | a trace of its own, linked to the step that published it |
| `fcm.send_batch` | a batch's messages are on the wire | child of the batch |
| `merge` | a window of results is merged | a trace of its own, linked to every batch in it |

Links, not parents, where one fans out into thousands: a trace of a million devices could not be read.
Messages carry the context as `traceparent` in their headers, rows of the outbox in a column.
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Protocol

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.contracts.messages import BatchReady
from shared.errors import ConfigurationError
from shared.version import USER_AGENT, VERSION

MESSAGE_HEADER = "traceparent"
FLUSH = 3.0
"""Seconds that the end of a process waits for its last spans to leave."""

_FANNED_OUT = frozenset({BatchReady.type})
"""Messages of which one step publishes many: their handling is linked to it."""
_format = TraceContextTextMapPropagator()
_tracer: Tracer = trace.NoOpTracer()

Value = str | int | float | bool
Attributes = Mapping[str, Value]


class Carrier(Protocol):
    """A delivered message, as far as a span needs it."""

    @property
    def kind(self) -> str | None:
        """The envelope's `type`."""

    @property
    def traceparent(self) -> str | None:
        """The context that it carries."""


def configure_traces(service: str, url: str | None, *, share: float) -> Callable[[], None]:
    """Send `share` of all traces to `url` (OTLP over HTTP); returns what flushes them at the end.

    Raises `ConfigurationError` when traces are wanted and the `telemetry` extra is not installed.
    """
    if not url:
        return lambda: None
    try:
        # An optional extra: what is off should neither be installed nor loaded.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            f"CARILLON_TRACES_URL is set, but {error.name} is missing: install the `telemetry` extra, or unset it."
        ) from error
    resource = Resource.create(
        {"service.name": f"carillon-{service}", "service.namespace": "carillon", "service.version": VERSION}
    )
    provider = TracerProvider(resource=resource, sampler=ParentBasedTraceIdRatio(share), shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=FLUSH, headers={"User-Agent": USER_AGENT}))
    )
    use(provider.get_tracer("carillon"))

    def flush() -> None:
        provider.force_flush(round(FLUSH * 1000))
        provider.shutdown()

    return flush


def use(tracer: Tracer) -> None:
    """Make spans with this tracer from now on."""
    global _tracer  # noqa: PLW0603 - one process, one tracer; passing it would put it into every signature
    _tracer = tracer


def current() -> str | None:
    """The context of what is being done, for a message to carry; None when nothing is traced."""
    carrier: dict[str, str] = {}
    _format.inject(carrier)
    return carrier.get(MESSAGE_HEADER)


@contextmanager
def served(method: str, traceparent: str | None) -> Generator[Span]:
    """A request of the API; name it by its route before the end."""
    with _span(method, SpanKind.SERVER, parent=_context(traceparent)) as span:
        yield span


@contextmanager
def handled(delivery: Carrier, queue: str) -> Generator[None]:
    """The handling of one message."""
    kind = delivery.kind or "message"
    attributes = {"messaging.system": "rabbitmq", "messaging.destination.name": queue, "messaging.operation": "process"}
    parent = None if kind in _FANNED_OUT else _context(delivery.traceparent)
    links = _links([delivery.traceparent]) if kind in _FANNED_OUT else []
    with _span(f"{kind} {queue}", SpanKind.CONSUMER, parent=parent, links=links, attributes=attributes):
        yield


@contextmanager
def merged(traceparents: Iterable[str | None]) -> Generator[None]:
    """The merge of a window, linked to every result in it."""
    with _span("merge", SpanKind.CONSUMER, links=_links(traceparents)):
        yield


@contextmanager
def sent(**attributes: Value) -> Generator[Span]:
    """The sending of a batch's messages, until all are answered."""
    with _span("fcm.send_batch", SpanKind.CLIENT, attributes=attributes, inside=True) as span:
        yield span


@contextmanager
def _span(
    name: str,
    kind: SpanKind,
    *,
    parent: Context | None = None,
    links: list[Link] | None = None,
    attributes: Attributes | None = None,
    inside: bool = False,
) -> Generator[Span]:
    """A span around the block; a root unless it has a `parent` or is `inside` the current one."""
    context = None if inside else parent or Context()
    with _tracer.start_as_current_span(name, context, kind, attributes, links) as span:
        if not span.is_recording():
            yield span
            return
        with structlog.contextvars.bound_contextvars(trace_id=f"{span.get_span_context().trace_id:032x}"):
            yield span


def _context(traceparent: str | None) -> Context | None:
    """The context that a message or client sent; a malformed one is ignored."""
    return _format.extract({MESSAGE_HEADER: traceparent}, Context()) if traceparent else None


def _links(traceparents: Iterable[str | None]) -> list[Link]:
    found: list[SpanContext] = []
    for traceparent in dict.fromkeys(traceparents):
        context = trace.get_current_span(_context(traceparent)).get_span_context() if traceparent else None
        if context is not None and context.is_valid:
            found.append(context)
    return [Link(context) for context in found]
