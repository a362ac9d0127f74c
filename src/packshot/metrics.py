"""
What one process counts, in the words of Prometheus.

Labels are few and known beforehand: a route and never a path, an error's code and never its sentence, a class
of hosts and never a name. What is true of the whole system, such as the length of the queue, is looked up
when somebody asks (`vitals`); every process then says the same. The rest is each process's own, and adds up.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, wraps
from typing import Final, ParamSpec

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from packshot import __version__
from packshot.account import Account
from packshot.errors import (
    CATALOGUE,
    DecodeOutOfMemory,
    DecoderCrashed,
    DecodeTimeout,
    ImageError,
    PackshotError,
    SourceBusy,
)
from packshot.models import Compressed, Source

P = ParamSpec("P")

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
REQUEST_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
STEP_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
KILLED: Final = (DecodeTimeout, DecodeOutOfMemory, DecoderCrashed)
FINE: Final = "ok"
STEPS: Final = ("download", "compress", "store", "finish")
MESSAGE_OUTCOMES: Final = ("delivered", "retry", "failed")


class Metrics:
    """The counters of one process, in a registry of their own. `mishaps` is counted elsewhere, by name."""

    def __init__(self, mishaps: Mapping[str, int]) -> None:
        self.registry = _registry(mishaps)
        self.gauges = Gauges(self.registry)
        # Found again by a look into a dictionary: to look labels up takes longer than to count.
        self._requests = cache(
            self._counter("requests", "Requests answered.", "method", "route", "status").labels
        )
        self._request_seconds = cache(
            self._histogram("request", "From head to end of answer.", REQUEST_SECONDS, "route").labels
        )
        self._attempts = self._counter("attempts", "Attempts at images that ended.", "outcome", "code")
        self._steps = self._histogram("step", "One step of one attempt.", STEP_SECONDS, "step")
        self._bytes_in = self._counter("source_bytes", "Bytes of sources whose images became ready.")
        self._saved = self._counter("saved_bytes", "Of these, what the main renditions have less.")
        self._renditions = self._counter(
            "renditions", "Renditions of images that became ready.", "preset", "format"
        )
        self._bytes_out = self._counter("rendition_bytes", "Bytes of these.", "preset", "format")
        self._downloads = self._counter("downloads", "Downloads that ended.", "host_class", "outcome")
        self._downloaded = self._counter("downloaded_bytes", "Bytes that came in.", "host_class")
        self._kills = self._counter("decoder_kills", "Decoder children that were killed or died.", "code")
        self._messages = self._counter("webhook_attempts", "Attempts at messages of webhooks.", "outcome")
        self._begin_at_zero()

    def request(self, method: str, route: str, status: str, seconds: float) -> None:
        """Count a request."""
        self._requests(method, route, status).inc()
        self._request_seconds(route).observe(seconds)

    def refusal(self, method: str, route: str, status: str) -> None:
        """Count a request that was refused at its head, which takes no time."""
        self._requests(method, route, status).inc()

    def attempt(self, account: Account) -> None:
        """Count an attempt that has ended."""
        self._attempts.labels(account.outcome, account.code or "").inc()
        for step, milliseconds in account.milliseconds.items():
            self._steps.labels(step).observe(milliseconds / 1000)
        if account.outcome == "ready":
            self._bytes_in.inc(account.bytes_in)
            self._saved.inc(max(0, account.bytes_in - account.renditions[0].bytes))
            for rendition in account.renditions:
                self._renditions.labels(rendition.preset, rendition.format).inc()
                self._bytes_out.labels(rendition.preset, rendition.format).inc(rendition.bytes)

    def message(self, outcome: str) -> None:
        """Count an attempt at a message of a webhook."""
        self._messages.labels(outcome).inc()

    def downloads(
        self, download: Callable[P, Awaitable[Source]], class_of: Callable[P, str]
    ) -> Callable[P, Awaitable[Source]]:
        """Return a download that is counted, by the class of its host."""

        @wraps(download)
        async def counted(*args: P.args, **kwargs: P.kwargs) -> Source:
            host_class = class_of(*args, **kwargs)
            with self._outcome_of_download(host_class):
                source = await download(*args, **kwargs)
            self._downloaded.labels(host_class).inc(source.bytes)
            return source

        return counted

    def decoding(self, compress: Callable[P, Awaitable[Compressed]]) -> Callable[P, Awaitable[Compressed]]:
        """Return a compress whose lost children are counted."""

        @wraps(compress)
        async def counted(*args: P.args, **kwargs: P.kwargs) -> Compressed:
            try:
                return await compress(*args, **kwargs)
            except KILLED as error:
                self._kills.labels(error.code).inc()
                raise

        return counted

    def exposition(self) -> bytes:
        """Return everything in Prometheus' format."""
        return generate_latest(self.registry)

    @contextmanager
    def _outcome_of_download(self, host_class: str) -> Iterator[None]:
        outcome = FINE
        try:
            yield
        except PackshotError as error:
            outcome = outcome_of(error)
            raise
        finally:
            self._downloads.labels(host_class, outcome).inc()

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"packshot_{name}", meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"packshot_{name}_seconds", meaning, labels, buckets=buckets, registry=self.registry)

    def _begin_at_zero(self) -> None:
        """Show what may happen before it does: Prometheus does not see a counter jump from nothing to 1."""
        for outcome, code in _ends():
            self._attempts.labels(outcome, code)
        for kind in KILLED:
            self._kills.labels(kind.code)
        for metric, words in ((self._steps, STEPS), (self._messages, MESSAGE_OUTCOMES)):
            for word in words:
                metric.labels(word)


class Gauges:
    """What goes up and down. Who sets them knows when they are read."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(f"packshot_{name}", meaning, labels, registry=registry)

        self.up = gauge("up", "Whether a part answers this process.", "part")
        self.queue = gauge("queue_images", "Images that are not ready, by state.", "state")
        self.oldest_due = gauge("oldest_due_seconds", "How long the first image in line has waited.")
        self.oldest_message = gauge(
            "oldest_webhook_due_seconds", "How long the first message of a webhook has waited."
        )
        self.workers = gauge("workers", "Processes with slots that are alive.")
        self.slots = gauge("slots", "Images that this process works on at once, at most.")
        self.in_hand = gauge("in_hand_images", "Images in the hands of this process.")
        self.admin_key = gauge("admin_key_seconds", "For how long a key of scope admin works yet.")
        self.disk_free = gauge("disk_free_bytes", "Free room where PACKSHOT_DATA_DIR is.")


class Mishaps(Collector):
    """Shows what `Desk.count` counts: what should not happen, by name."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield one metric with a label for each name."""
        family = CounterMetricFamily("packshot_mishaps", "What should not happen.", labels=["kind"])
        for kind, count in self._counts.items():
            family.add_metric([kind], count)
        yield family


def _ends() -> Iterator[tuple[str, str]]:
    """Yield how an attempt at an image can end: outcome and code."""
    yield from ((outcome, "") for outcome in ("ready", "released", "discarded", "left"))
    for code, kind in CATALOGUE.items():
        yield "failed", code
        if kind.transient:
            yield "retry", code


def _registry(mishaps: Mapping[str, int]) -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(Mishaps(mishaps))
    Info("packshot_build", "The program.", registry=registry).info({"version": __version__})
    return registry


def outcome_of(error: PackshotError) -> str:
    """Return the code of what went wrong with an image, or whose fault it was."""
    if isinstance(error, ImageError):
        return error.code
    return "busy" if isinstance(error, SourceBusy) else "unavailable"
