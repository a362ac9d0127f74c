"""Tables on a terminal: what a supplier wrote is shown, and never obeyed."""

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from packshot.comparison import Comparison
from packshot.models import Rendition
from packshot.settings import load_settings
from packshot.terminal import (
    ImageProgress,
    comparison_table,
    print_images,
    print_json,
    print_users,
    screen,
    shared_services,
    status_table,
)
from packshot.web.views import ErrorView, ImageView, ProductView, RenditionView, SourceView, UserView

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = SourceView(sha256="0" * 64, bytes=4_200_000, format="jpeg", width=4000, height=3000, facts=None)


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def an_image(**facts: Any) -> ImageView:  # noqa: ANN401 - pydantic checks each one
    standard = {
        "id": 1,
        "product_id": 1,
        "position": 0,
        "source_url": "https://shop.example/boots/brown.jpg",
        "url": "/images/1",
        "state": "pending",
        "attempt": 0,
        "max_attempts": 5,
        "error": None,
        "source": None,
        "renditions": [],
        "timings": {},
        "created_at": NOW,
        "updated_at": NOW,
    }
    return ImageView(**{**standard, **facts})


def a_rendition(size: int, format_: str = "avif") -> RenditionView:
    return RenditionView(
        preset="large",
        format=format_,
        width=1600,
        height=1200,
        bytes=size,
        quality=70,
        score=None,
        path="/a",
        url="/images/1/a",
    )


def a_product(*images: ImageView) -> ProductView:
    return ProductView(
        product_id=1,
        user_id=1,
        product_name="Boot",
        product_description="",
        product_images=[image.source_url for image in images],
        product_price=Decimal("119.90"),
        compressed_product_images=[None] * len(images),
        created_at=NOW,
        updated_at=NOW,
        state="pending",
        images=list(images),
    )


def row_of(image: ImageView, capsys: pytest.CaptureFixture[str]) -> str:
    """The image's line in the table."""
    print_images([a_product(image)])
    return " ".join(capsys.readouterr().out.splitlines()[1].split())


def test_a_ready_image_shows_what_was_saved(capsys: pytest.CaptureFixture[str]) -> None:
    image = an_image(
        state="ready",
        source=SOURCE,
        renditions=[a_rendition(210_000), a_rendition(320_400, "jpeg")],
        timings={"download": 80.4, "compress": 119.6},
    )

    assert row_of(image, capsys) == "brown.jpg ready 4.2 MB 4000x3000 210 KB 4.0 MB 95% 200 ms"


def test_a_rendition_that_is_larger_than_its_source_saves_less_than_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = SOURCE.model_copy(update={"bytes": 100_000})

    row = row_of(an_image(state="ready", source=small, renditions=[a_rendition(173_000)]), capsys)

    assert "-73 KB -73%" in row


def test_a_failed_image_shows_why(capsys: pytest.CaptureFixture[str]) -> None:
    error = ErrorView(
        code="source_gone", message="404 [not] found", transient=False, fixed_by="supplier", retry_at=None
    )

    print_images([a_product(an_image(state="failed", error=error))])

    assert capsys.readouterr().out.splitlines()[-1] == "brown.jpg: source_gone: 404 [not] found"


def test_an_image_that_is_waiting_shows_its_name_and_state(capsys: pytest.CaptureFixture[str]) -> None:
    assert row_of(an_image(state="processing"), capsys) == "brown.jpg processing"


@pytest.mark.parametrize("name", ["[red]boot[/red]", "[/]", "[link=file:///]"])
def test_markup_in_the_name_of_a_file_is_only_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    image = an_image(source_url=f"https://shop.example/?file={name.replace('/', '%2F')}")

    assert name.replace("/", "%2F") in row_of(image, capsys)


def test_markup_in_the_name_of_a_user_is_only_text(capsys: pytest.CaptureFixture[str]) -> None:
    name = "Ada [bold]Lovelace[/bold] [/]"

    print_users(
        [UserView(id=1, name=name, mobile=None, latitude=None, longitude=0.0, created_at=NOW, updated_at=NOW)]
    )

    assert name in capsys.readouterr().out


def test_the_name_of_a_user_cannot_take_over_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    name = "Ada \x1b]0;title\x07\x1b[2J"

    print_users(
        [
            UserView(
                id=1, name=name, mobile=None, latitude=None, longitude=None, created_at=NOW, updated_at=NOW
            )
        ]
    )

    assert "Ada ?]0;title??[2J" in capsys.readouterr().out


def test_json_is_json_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"price": Decimal("0.10"), "at": NOW, "name": "[bold] 😀"})

    assert json.loads(capsys.readouterr().out) == {
        "price": "0.10",
        "at": "2026-01-01T00:00:00+00:00",
        "name": "[bold] 😀",
    }


def test_a_status_leaves_out_what_there_is_none_of(capsys: pytest.CaptureFixture[str]) -> None:
    summary = {
        "products": 1234,
        "images": {"pending": 1_000_000},
        "failures": {},
        "oldest_due_seconds": 7.4,
        "workers": [],
    }

    screen.print(status_table(summary))

    shown = capsys.readouterr().out
    assert "1,000,000" in shown
    assert "1,234 products; the oldest due image waits 7 s" in shown
    assert "failed with" not in shown
    assert "process" not in shown.replace("processing", "")


def test_a_process_that_takes_no_images_is_not_taken_for_a_worker(
    capsys: pytest.CaptureFixture[str],
) -> None:
    *_, worker, api, _ = shown_status(capsys, a_worker(), {**a_worker(), "slots": 0}).splitlines()

    assert "4 images at once" in worker
    assert "the API alone" in api


def a_worker(**counts: int) -> dict[str, Any]:
    return {"host": "one", "pid": 1, "slots": 4, "started_at": "2026-01-01T00:00:00Z", "counts": counts}


def shown_status(capsys: pytest.CaptureFixture[str], *workers: dict[str, Any]) -> str:
    screen.print(
        status_table(
            {"products": 0, "images": {}, "failures": {}, "oldest_due_seconds": 0, "workers": workers}
        )
    )
    return capsys.readouterr().out


def test_a_status_says_how_often_what_should_not_happen_has(capsys: pytest.CaptureFixture[str]) -> None:
    shown = shown_status(
        capsys, a_worker(late_results=999), a_worker(late_results=1, unreadable_messages=2), a_worker()
    )

    assert shown.splitlines()[-1] == "1,000 late results refused, 2 messages ignored"


def test_a_status_without_anything_counted_says_nothing_about_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown_status(capsys, a_worker()).splitlines()[-1].startswith("0 products")


def test_progress_that_nobody_wants_to_see_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    progress = ImageProgress()

    with progress.shown(quiet=True):
        progress.update([an_image(state="ready", source=SOURCE, renditions=[a_rendition(210_000)])])

    assert capsys.readouterr().out == ""


def test_progress_counts_the_images_that_have_ended(capsys: pytest.CaptureFixture[str]) -> None:
    progress = ImageProgress()
    ready = an_image(state="ready", source=SOURCE, renditions=[a_rendition(200_000)])

    with progress.shown(quiet=False):
        progress.update([ready, an_image(state="failed"), an_image()])

    shown = capsys.readouterr().out
    assert "2/3" in shown
    assert "4.0 MB smaller" in shown


def test_shared_services_are_named_without_logins_and_options() -> None:
    settings = load_settings(
        database_url="postgresql://ada:hush@db.example/packshot?password=hush",
        broker_url="amqps://ada:hush@mq.example:5671/shop?keyfile=hush",
        store_url="s3://pictures/shop?endpoint=https://hush.example",
        cache_url="rediss://:hush@redis.example/1",
    )

    assert dict(shared_services(settings)) == {
        "database": "postgresql://db.example/packshot",
        "broker": "amqps://mq.example:5671/shop",
        "store": "s3://pictures/shop",
        "cache": "rediss://redis.example/1",
    }


def test_what_new_presets_changed_stands_in_a_row_and_what_was_left_below_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    old = Rendition("0" * 16, "large", "jpeg", "a/old.jpg", 8, 6, 300_000, 80)
    new = Rendition("1" * 16, "large", "jpeg", "a/new.jpg", 8, 6, 100_000, 62, 80.25)
    comparison = Comparison(left=Counter(source_gone=2))
    comparison.add([old], [("jpeg", new)])

    screen.print(comparison_table(comparison))

    headings, row, _, left, total = (line.split() for line in capsys.readouterr().out.splitlines())
    assert headings[-4:] == ["score", "before", "score", "after"]
    assert row == ["large", "jpeg", "1", "300", "KB", "100", "KB", "80.2"]
    assert left == ["source_gone", "2"]
    assert total[:2] + total[-3:] == ["1", "images", "200", "KB", "smaller."]
