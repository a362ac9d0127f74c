"""What a person sees on a terminal: tables, progress, and plain JSON for machines."""

import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import orjson
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from packshot import __version__
from packshot.app import App
from packshot.comparison import Comparison
from packshot.doctor.findings import Finding
from packshot.lifecycle import ENDED
from packshot.server_urls import split_url
from packshot.settings import Settings
from packshot.web.views import ImageView, ProductView, UserView

STYLES: Final = {"ready": "green", "failed": "red", "processing": "yellow", "pending": "dim"}
VERDICTS: Final = {"ok": "green", "warning": "yellow", "broken": "red"}
COUNTED: Final = {"late_results": "late results refused", "unreadable_messages": "messages ignored"}
NAME_CHARACTERS: Final = 40
FILE_COLUMNS: Final = 160

# A file or a pipe has no width that a table must fit into.
screen = Console(width=None if sys.stdout.isatty() else FILE_COLUMNS)


def announce(app: App, listener: socket.socket | None) -> None:
    """Say where we listen and where the data lies."""
    screen.print(f"[bold]Packshot {__version__}[/bold]")
    if listener:
        host, port = listener.getsockname()[:2]
        what = (
            "metrics and health"
            if port == app.settings.metrics_port
            else "a console for browsers, and the API, which /docs describes"
        )
        screen.print(f"  listens on  http://{host}:{port}  ({what})", soft_wrap=True)
    screen.print(f"  data        {escape(str(app.settings.data_dir.absolute()))}", soft_wrap=True)
    if app.database_folder:
        screen.print(f"  database    embedded, in {escape(str(app.database_folder))}", soft_wrap=True)
    for name, url in shared_services(app.settings):
        screen.print(f"  {name:<10}  {escape(url)}", soft_wrap=True)
    if app.desk.worker.slots:
        screen.print(f"  works on    up to {app.desk.worker.slots} images at once")
    screen.print("Ctrl-C stops it; work in hand is finished or given back.")


def shared_services(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield what is shared with other processes, without logins and options."""
    for name, url in (
        ("database", settings.database_url),
        ("broker", settings.broker_url),
        ("store", settings.store_url),
        ("cache", settings.cache_url),
        ("pictures at", settings.public_url),
    ):
        parts = split_url(url)
        if parts.netloc:
            yield name, parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def print_json(value: object) -> None:
    """Print one JSON document."""
    text = orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode()
    print(text, flush=True)  # noqa: T201 - not for rich; at the exit nobody would catch a broken pipe


def print_users(users: Sequence[UserView]) -> None:
    """Print users as a table."""
    rows = ((user.id, user.name, user.mobile, user.latitude, user.longitude) for user in users)
    print_table(("id", "name", "mobile", "latitude", "longitude"), rows)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings; what is None is left empty."""
    table = Table(*headings, box=None)
    for row in rows:
        table.add_row(*("" if cell is None else _harmless(str(cell)) for cell in row))
    screen.print(table)


def print_images(products: Sequence[ProductView]) -> None:
    """Print what became of every image of some products: each preset in its first format."""
    images = [image for product in products for image in product.images]
    presets = list(dict.fromkeys(rendition.preset for image in images for rendition in image.renditions))
    table = Table(box=None, pad_edge=False)
    table.add_column("image", no_wrap=True, max_width=NAME_CHARACTERS)
    table.add_column("state", no_wrap=True, min_width=len("pending"))
    for heading in ("source", "pixels", *presets, "saved", "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for image in images:
        table.add_row(*_image_cells(image, presets))
    screen.print(table)
    for image in images:
        if image.error:
            why = f"{_name(image)}: {image.error.code}: {image.error.message}"
            screen.print(why, style=STYLES[image.state], markup=False, soft_wrap=True)


def status_table(summary: Mapping[str, Any]) -> Group:
    """Show how many images are in which state, why some failed, and which processes there are."""
    images = Table("state", "images", box=None)
    for state, style in STYLES.items():
        images.add_row(f"[{style}]{state}[/]", f"{summary['images'].get(state, 0):,}")
    failures = Table("failed with", "images", box=None)
    for code, count in sorted(summary["failures"].items()):
        failures.add_row(code, f"{count:,}")
    processes = Table("process", "host", "does", "since", box=None)
    for worker in summary["workers"]:
        does = f"{worker['slots']} images at once" if worker["slots"] else "no images: the API alone"
        processes.add_row(str(worker["pid"]), _harmless(worker["host"]), does, worker["started_at"][:19])
    oldest = (
        f"{summary['products']:,} products; the oldest due image waits {summary['oldest_due_seconds']:.0f} s"
    )
    return Group(
        *[part for part in (images, failures, processes) if part.row_count], oldest, *_counts(summary)
    )


def findings_table(findings: Mapping[str, Finding]) -> Table:
    """Show what the doctor has found, and under it what to do."""
    table = Table("", "", "", box=None, show_header=False)
    for name, finding in findings.items():
        mark = f"[{VERDICTS[finding.verdict]}]{finding.verdict}[/]"
        table.add_row(mark, name, _harmless(finding.found))
        if finding.advice:
            table.add_row("", "", f"→ {_harmless(finding.advice)}")
    return table


@contextmanager
def live() -> Iterator[Live]:
    """Show something that changes in place."""
    with Live(console=screen, auto_refresh=False, transient=True) as view:
        yield view


class ImageProgress:
    """A bar of images ended out of all, with the bytes saved so far."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[saved]} smaller"),
            TimeElapsedColumn(),
            console=screen,
        )
        self._task = self._progress.add_task("images", saved="0 B", total=None)

    @contextmanager
    def shown(self, *, quiet: bool) -> Iterator[None]:
        """Show the bar while the block runs, unless `quiet`."""
        self._progress.disable = quiet
        with self._progress:
            yield

    def update(self, images: Sequence[ImageView]) -> None:
        """Show where these images are now."""
        saved = sum(_source_bytes(image) - _main_bytes(image) for image in images if image.state == "ready")
        self._progress.update(
            self._task,
            total=len(images),
            completed=sum(image.state in ENDED for image in images),
            saved=size(saved),
        )


@contextmanager
def counting(what: str, *, quiet: bool) -> Iterator[Callable[[int, str], None]]:
    """Show a count of what is done, with a note; nobody knows the end before it is reached."""
    columns = (
        TextColumn(what),
        BarColumn(),
        TextColumn("{task.completed:,}"),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=screen, disable=quiet) as progress:
        task = progress.add_task(what, note="", total=None)
        yield lambda done, note: progress.update(task, completed=done, note=note)


@contextmanager
def reaching(what: str, end: int, *, quiet: bool) -> Iterator[Callable[[int, str], None]]:
    """Show how far something is on its way to `end`, with a note; it never goes back."""
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[note]}"))
    with Progress(*columns, TimeElapsedColumn(), console=screen, disable=quiet) as progress:
        task = progress.add_task(what, note="", total=end)
        reached = 0

        def update(now: int, note: str) -> None:
            nonlocal reached
            reached = max(reached, now)
            progress.update(task, completed=reached, note=note)

        yield update


def comparison_table(found: Comparison) -> Group:
    """Show what new presets have changed, and why some images are as they were."""
    summary = found.summary()
    changes = Table("preset", "format", box=None)
    for heading in ("images", "before", "after", "score before", "score after"):
        changes.add_column(heading, justify="right")
    for row in summary["renditions"]:
        sizes = (size(row["bytes_before"]), size(row["bytes_after"]))
        scores = (
            "" if score is None else f"{score:.1f}" for score in (row["score_before"], row["score_after"])
        )
        changes.add_row(row["preset"], row["format"], f"{row['images']:,}", *sizes, *scores)
    left = Table("left as they were", "images", box=None)
    for code, count in summary["left"].items():
        left.add_row(code, f"{count:,}")
    total = f"{progress_of(found)}."
    return Group(*[table for table in (changes, left) if table.row_count], total)


def progress_of(found: Comparison) -> str:
    """Say in a few words what has become of images so far."""
    change = "smaller" if found.saved_bytes >= 0 else "larger"
    return f"{found.images:,} images brought up to date, {size(abs(found.saved_bytes))} {change}"


def _counts(summary: Mapping[str, Any]) -> list[str]:
    counts: Counter[str] = Counter()
    for worker in summary["workers"]:
        counts.update(worker["counts"])
    line = ", ".join(f"{count:,} {COUNTED.get(name, name)}" for name, count in sorted(counts.items()))
    return [line] if line else []


def _image_cells(image: ImageView, presets: Sequence[str]) -> list[str]:
    cells = [escape(_name(image)), f"[{STYLES[image.state]}]{image.state}[/]"]
    if image.source is None or not image.renditions:
        return cells
    source, main = _source_bytes(image), _main_bytes(image)
    sizes = {rendition.preset: rendition.bytes for rendition in reversed(image.renditions)}
    return [
        *cells,
        size(source),
        f"{image.source.width}x{image.source.height}",
        *(size(sizes[preset]) if preset in sizes else "" for preset in presets),
        f"{size(source - main)} {1 - main / source:4.0%}",
        f"{sum(image.timings.values()):.0f} ms",
    ]


def _harmless(text: str) -> str:
    """Take the markup and the control characters of somebody else's words for what they are: text."""
    return escape("".join(character if character.isprintable() else "?" for character in text))


def _name(image: ImageView) -> str:
    return image.source_url.rsplit("/", 1)[-1]


def _source_bytes(image: ImageView) -> int:
    return image.source.bytes if image.source else 0


def _main_bytes(image: ImageView) -> int:
    return image.renditions[0].bytes if image.renditions else 0


def size(count: float) -> str:
    """Say how many bytes that is."""
    for unit in ("B", "KB"):
        if abs(count) < 1000:  # noqa: PLR2004 - SI
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} MB"
