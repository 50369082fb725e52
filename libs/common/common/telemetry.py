"""JSON logs with correlation ids, and traces when an OTLP endpoint is set."""

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog
from opentelemetry import trace
from opentelemetry.propagate import extract, inject
from opentelemetry.trace import SpanKind
from structlog.typing import Processor

from common.envelope import Envelope

_tracer = trace.get_tracer("heed")
_REPEAT_SECONDS = 10.0


class _Repeats(logging.Filter):
    """Lets a library say the same thing once in ten seconds: without its broker it says it ten times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now, about = time.monotonic(), (record.name, record.msg)
        if now - self._said.get(about, -_REPEAT_SECONDS) < _REPEAT_SECONDS:
            return False
        if len(self._said) > 1_000:
            self._said.clear()
        self._said[about] = now
        return True


def configure_logs(service: str, level: str = "INFO") -> None:
    """One JSON object a line on standard output, also for libraries that use `logging`."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stdout)
    formatter = structlog.stdlib.ProcessorFormatter(
        processor=structlog.processors.JSONRenderer(),
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
    )
    handler.setFormatter(formatter)
    handler.addFilter(_Repeats())
    logging.basicConfig(handlers=[handler], level="WARNING", force=True)


def configure_traces(service: str, endpoint: str | None) -> None:
    """Exports spans to `endpoint` (OTLP over HTTP); without one, tracing costs nothing."""
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": f"heed-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")))
    trace.set_tracer_provider(provider)


@contextmanager
def serving(method: str, path: str, headers: Mapping[str, str]) -> Iterator[None]:
    """A span for one HTTP request, in the caller's trace where it sent one."""
    with _tracer.start_as_current_span(f"{method} {path}", context=extract(headers), kind=SpanKind.SERVER):
        yield


@contextmanager
def handling(envelope: Envelope) -> Iterator[None]:
    """A span that continues the trace of the fact being handled, and its correlation id on every log line."""
    context = extract({"traceparent": envelope.traceparent or ""})
    correlation = envelope.correlation_id or envelope.id
    with (
        structlog.contextvars.bound_contextvars(correlation_id=correlation),
        _tracer.start_as_current_span(f"handle {envelope.type}", context=context, kind=SpanKind.CONSUMER),
    ):
        yield


def current_traceparent() -> str | None:
    """The W3C traceparent of the running span, to be carried by what is emitted now."""
    carrier: dict[str, str] = {}
    inject(carrier)
    return carrier.get("traceparent")
