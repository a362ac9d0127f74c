"""
Traces by OpenTelemetry: one for each request, down to the last rendition of the images that it asked for.

    request ─▶ submit ─▶ (the image's row) ─▶ attempt ─▶ download  compress  store  finish

Imported only where PACKSHOT_TRACES_URL is set: it costs memory and time at the start. Spans are sent by a
thread, in batches; those that a collector does not take in time are dropped, and nobody waits for it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from threading import Thread
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from packshot import __version__
from packshot.redaction import Redaction
from packshot.telemetry import Fact, Note, about

USUAL_PATH: Final = "/v1/traces"
EXPORT_SECONDS: Final = 2
DELAY_MILLISECONDS: Final = 500
LEAVE_SECONDS: Final = 3  # for what was not sent yet when the process ends


class Traces:
    """Makes spans; those that are made inside another one belong to it."""

    def __init__(self, provider: TracerProvider, redaction: Redaction) -> None:
        self._tracer = provider.get_tracer("packshot", __version__)
        self._redaction = redaction

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, redaction: Redaction) -> AsyncIterator["Traces"]:
        """Send spans to `url`, without what `redaction` takes out; in the end what is left, in brief."""
        logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # a collector that is away is no news
        resource = Resource.create({"service.name": "packshot", "service.version": __version__})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint_of(url), timeout=EXPORT_SECONDS)
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=DELAY_MILLISECONDS))
        try:
            yield cls(provider, redaction)
        finally:
            leaving = Thread(target=provider.shutdown, daemon=True)
            leaving.start()
            await asyncio.to_thread(leaving.join, LEAVE_SECONDS)

    @contextmanager
    def span(self, name: str, parent: str | None = None, /, **facts: Fact) -> Iterator[Note]:
        """Time the block as a part of what is under way, or of `parent`, a traceparent."""
        context = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
        with (
            self._tracer.start_as_current_span(
                name, context, record_exception=False, set_status_on_exception=False
            ) as span,
            about(traceparent=traceparent_of(span.get_span_context())),
        ):

            def note(**facts: Fact) -> None:
                for key, value in facts.items():
                    if value is not None:
                        span.set_attribute(f"packshot.{key}", self._redacted(value))

            note(**facts)
            try:
                yield note
            except Exception as error:
                span.set_status(Status(StatusCode.ERROR, self._redaction.text(str(error))))
                raise

    def _redacted(self, value: Fact) -> str | int | float:
        return value if isinstance(value, int | float) else self._redaction.text(str(value))


def endpoint_of(url: str) -> str:
    """Return where spans go: the usual place, unless the URL names another."""
    return url if urlsplit(url).path.strip("/") else url.rstrip("/") + USUAL_PATH


def traceparent_of(context: SpanContext) -> str:
    """Return a place in a trace as W3C writes it."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
