"""What is counted, and that labels are few and known beforehand."""

from pathlib import Path

import pytest
from tests.figures import Figures

from packshot.account import Account
from packshot.errors import DecoderCrashed, ImageDamaged, PackshotError, SourceBusy, SourceGone
from packshot.lifecycle import GiveUp
from packshot.metrics import Metrics
from packshot.models import Compressed, Rendition, Source
from packshot.telemetry import no_span

SOURCE = Source("00" * 32, 1000, "png")


def shown(metrics: Metrics) -> Figures:
    return Figures(metrics.exposition().decode())


def a_rendition(preset: str, size: int) -> Rendition:
    return Rendition("0123", preset, "avif", "00/00", 8, 6, size)


async def fetch(_: str, __: Path) -> Source:
    return SOURCE


def class_of(url: str, _: Path) -> str:
    return "address" if url.endswith("1.1.1.1") else "public"


def test_a_picture_counts_with_its_bytes_and_what_its_main_rendition_saves() -> None:
    metrics, account = Metrics({}), Account(no_span)
    account.bytes_in = 1000
    account.delivers([a_rendition("large", 400), a_rendition("thumb", 50)])

    metrics.attempt(account)

    figures = shown(metrics)
    assert figures("packshot_attempts_total", outcome="ready") == 1
    assert figures("packshot_source_bytes_total") == 1000
    assert figures("packshot_saved_bytes_total") == 600
    assert figures("packshot_rendition_bytes_total", preset="thumb", format="avif") == 50


def test_a_rendition_that_has_grown_saves_nothing_and_costs_nothing() -> None:
    metrics, account = Metrics({}), Account(no_span)
    account.bytes_in = 100
    account.delivers([a_rendition("large", 400)])

    metrics.attempt(account)

    assert shown(metrics)("packshot_saved_bytes_total") == 0


def test_a_failure_counts_under_its_code() -> None:
    metrics, account = Metrics({}), Account(no_span)
    account.fails(SourceGone("Not there."), GiveUp("source_gone", "Not there."))

    metrics.attempt(account)

    assert shown(metrics)("packshot_attempts_total", outcome="failed", code="source_gone") == 1


def test_every_code_is_there_before_anything_has_failed() -> None:
    figures = shown(Metrics({}))

    assert figures("packshot_attempts_total", outcome="failed", code="worker_lost") == 0
    assert figures("packshot_decoder_kills_total", code="decode_timeout") == 0


async def test_a_download_counts_by_the_class_of_its_host() -> None:
    metrics = Metrics({})
    download = metrics.downloads(fetch, class_of)

    await download("https://1.1.1.1", Path("x"))
    await download("https://shop.example", Path("x"))

    figures = shown(metrics)
    assert figures("packshot_downloads_total", host_class="public", outcome="ok") == 1
    assert figures("packshot_downloaded_bytes_total", host_class="address") == 1000


@pytest.mark.parametrize(
    ("error", "outcome"), [(SourceGone("Not there."), "source_gone"), (SourceBusy("Full.", 3), "busy")]
)
async def test_a_download_that_fails_counts_and_fails(error: PackshotError, outcome: str) -> None:
    async def failing(_: str, __: Path) -> Source:
        raise error

    metrics = Metrics({})

    with pytest.raises(type(error)):
        await metrics.downloads(failing, class_of)("https://shop.example", Path("x"))

    assert shown(metrics)("packshot_downloads_total", outcome=outcome) == 1


@pytest.mark.parametrize(("error", "kills"), [(DecoderCrashed("It died."), 1), (ImageDamaged("Half."), 0)])
async def test_only_a_child_that_is_lost_counts_as_a_kill(error: PackshotError, kills: int) -> None:
    async def compress() -> Compressed:
        raise error

    metrics = Metrics({})

    with pytest.raises(type(error)):
        await metrics.decoding(compress)()

    assert shown(metrics)("packshot_decoder_kills_total") == kills


def test_what_the_desk_counts_is_shown_by_its_name() -> None:
    counts = {"late_results": 1}
    metrics = Metrics(counts)
    counts["late_results"] += 1

    assert shown(metrics)("packshot_mishaps_total", kind="late_results") == 2


@pytest.mark.parametrize("outcome", ["delivered", "retry", "failed"])
def test_what_may_become_of_a_message_is_shown_before_it_does(outcome: str) -> None:
    metrics = Metrics({})

    before = shown(metrics)("packshot_webhook_attempts_total", outcome=outcome)
    metrics.message(outcome)

    assert (before, shown(metrics)("packshot_webhook_attempts_total", outcome=outcome)) == (0, 1)
