"""
Traces by OpenTelemetry: one for each request, down to the last rendition of the images that it asked for.

    request ─▶ submit ─▶ (the image's row) ─▶ attempt ─▶ download  compress  store  finish

Imported only where PACKSHOT_TRACES_URL is set: it costs memory and time at the start. Spans are sent by a
thread, in batches; those that a collector does not take in time are dropped, and nobody waits for it.
That it takes none is said once, and once that it does again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from threading import Thread
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import SpanContext, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from packshot import __version__
from packshot.redaction import Redaction, place_of
from packshot.telemetry import Fact, Note, about

log = logging.getLogger(__name__)

USUAL_PATH: Final = "/v1/traces"
EXPORT_SECONDS: Final = 2
DELAY_MILLISECONDS: Final = 500
LEAVE_SECONDS: Final = 3  # for what was not sent yet when the process ends


class Exporter(OTLPSpanExporter):
    """Sends spans; its library would write a line or more for each batch that is not taken."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint, timeout=EXPORT_SECONDS)
        self._collector = place_of(endpoint)
        self._away_since: float | None = None
        self._said: list[str] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Keep for `export` what the library says in the block, and from the log."""
        library = logging.getLogger(OTLPSpanExporter.__module__)
        library.setLevel(logging.WARNING)
        library.addFilter(self._keep)
        try:
            yield
        finally:
            library.removeFilter(self._keep)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch, in the thread that is for it."""
        self._said.clear()
        began = monotonic()
        result = super().export(spans)
        if result is SpanExportResult.SUCCESS:
            self._tell_of_taking()
        elif self._away_since is None:
            self._away_since = began
            reason = self._said[0] if self._said else "unknown"  # then it speaks of retries
            log.warning("no traces are taken", extra={"collector": self._collector, "reason": reason})
        return result

    def _tell_of_taking(self) -> None:
        if self._away_since is not None:
            seconds = round(monotonic() - self._away_since)
            log.info("traces are taken again", extra={"collector": self._collector, "seconds": seconds})
        self._away_since = None

    def _keep(self, line: logging.LogRecord) -> bool:
        self._said.append(line.getMessage())
        return False


class Traces:
    """Makes spans; those that are made inside another one belong to it."""

    def __init__(self, provider: TracerProvider, redaction: Redaction) -> None:
        self._tracer = provider.get_tracer("packshot", __version__)
        self._redaction = redaction

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, redaction: Redaction) -> AsyncIterator["Traces"]:
        """Send spans to `url`, without what `redaction` takes out; in the end what is left, in brief."""
        logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # that it drops spans is no news
        resource = Resource.create({"service.name": "packshot", "service.version": __version__})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = Exporter(endpoint_of(url))
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=DELAY_MILLISECONDS))
        with exporter.listening():
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
