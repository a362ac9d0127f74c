"""Traces as a collector receives them: one from the request to the last rendition, through the broker."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Final

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from servers.rabbitmq import RabbitMQ
from tests.remote import queue_of_ones_own
from tests.serving import Serving
from tests.supplier import PICTURE, Supplier

from packshot.redaction import Redaction
from packshot.traces import Exporter, Traces, endpoint_of

CALLERS_TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
CALLER: Final = f"00-{CALLERS_TRACE}-b7ad6b7169203331-01"


class Collector:
    """Takes spans by OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.status = 200
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/traces"
                request = ExportTraceServiceRequest.FromString(body)
                for resource in request.resource_spans:
                    for scope in resource.scope_spans:
                        collector.spans.extend(scope.spans)
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    thread = Thread(target=collector.server.serve_forever, args=(0.01,))
    thread.start()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()
    thread.join()


@pytest.fixture
async def supplier() -> AsyncIterator[Supplier]:
    async with Supplier() as supplier:
        supplier.files["/boot.png"] = PICTURE
        yield supplier


async def submit(serving: Serving, *urls: str) -> int:
    body = {"user_id": 1, "product_name": "Boot", "product_images": urls, "product_price": "1"}
    answer = await serving.client.post("/products", json=body, headers={"traceparent": CALLER})
    return int(answer.raise_for_status().json()["product_id"])


def facts(span: Span) -> dict[str, object]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


async def test_one_trace_leads_from_the_callers_request_to_the_last_rendition(
    collector: Collector, supplier: Supplier, database_url: str, rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    settings = {
        "database_url": database_url,
        "broker_url": queue_of_ones_own(rabbitmq.url),
        "traces_url": collector.url,
    }
    async with Serving.start(tmp_path / "data", **settings) as serving:
        url = supplier.url("/boot.png?token=s3cret")
        await serving.ended(await submit(serving, url))

    spans = {span.name: span for span in collector.spans if span.trace_id.hex() == CALLERS_TRACE}
    assert {"request", "submit", "attempt", "download", "compress", "store", "finish"} == {*spans}
    parents = {name: span.parent_span_id.hex() for name, span in spans.items()}
    ids = {name: span.span_id.hex() for name, span in spans.items()}
    assert parents["request"] == CALLER.split("-")[2]
    assert (parents["submit"], parents["attempt"]) == (ids["request"], ids["submit"])
    assert {parents[step] for step in ("download", "compress", "store", "finish")} == {ids["attempt"]}
    assert facts(spans["attempt"])["packshot.outcome"] == "ready"
    assert facts(spans["request"])["packshot.route"] == "/products"
    assert facts(spans["compress"])["packshot.presets"] == "large,medium,thumb"
    assert "s3cret" not in str(collector.spans)


async def test_a_request_without_a_trace_begins_one(collector: Collector) -> None:
    async with Traces.open(collector.url, Redaction()) as traces:
        with traces.span("request", ""), traces.span("submit"):
            pass

    (request,), (submitted,) = collector.named("request"), collector.named("submit")
    assert (request.trace_id, request.parent_span_id) == (submitted.trace_id, b"")


async def test_what_failed_says_so_without_its_secrets(collector: Collector) -> None:
    async with Traces.open(collector.url, Redaction(["hunter2hunter2"])) as traces:
        with pytest.raises(ValueError, match="token"), traces.span("download"):
            raise ValueError("https://shop.example/?token=s3cret refused hunter2hunter2")

    (span,) = collector.named("download")
    assert (span.status.code, span.status.message) == (2, "https://shop.example/?*** refused ***")


async def test_a_collector_that_is_away_keeps_nobody_waiting() -> None:
    started = monotonic()
    async with Traces.open("http://127.0.0.1:9", Redaction()) as traces:
        for _ in range(5000):
            with traces.span("request"):
                pass

    assert monotonic() - started < 10


def test_that_spans_are_not_taken_is_told_once_and_once_that_they_are_again(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    exporter = Exporter(endpoint_of(collector.url))
    with exporter.listening():
        for collector.status in (200, 401, 401, 401, 200, 200):
            exporter.export([])

    told = [(line.levelname, line.message) for line in caplog.records]
    assert told == [("WARNING", "no traces are taken"), ("INFO", "traces are taken again")]
    first = vars(caplog.records[0])
    assert first["collector"] in endpoint_of(collector.url)
    assert "401" in first["reason"]


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://traces.example/otlp/v1/traces", "https://traces.example/otlp/v1/traces"),
    ],
)
def test_spans_go_to_the_usual_place_or_to_another_that_was_named(url: str, endpoint: str) -> None:
    assert endpoint_of(url) == endpoint


def test_without_a_collector_nothing_of_opentelemetry_is_loaded() -> None:
    loads = "import sys, packshot.daemon, packshot.workshop; print('opentelemetry.sdk' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", loads], capture_output=True, check=True).stdout == b"False\n"  # noqa: S603 - our own words
