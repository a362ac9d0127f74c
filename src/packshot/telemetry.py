"""
What the program says about itself: one line per event, readable on a terminal, JSON elsewhere.

What a line is about (the request, the image, the attempt, the worker) is said once, where it begins to be
true, and is then on every line from there, whoever writes it.
"""

import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from json import JSONEncoder
from typing import Any, Final, Literal, Protocol

import structlog

from packshot.redaction import Redaction

Fact = str | int | float | None


class Note(Protocol):
    """Adds facts to a span."""

    def __call__(self, **facts: Fact) -> None:
        """Add them; what is None is left out."""


class Span(Protocol):
    """Times a block as a part of the request or attempt that is under way; see `traces`."""

    def __call__(
        self, name: str, parent: str | None = None, /, **facts: Fact
    ) -> AbstractContextManager[Note]:
        """Begin in the block; `parent` is where it belongs if that began elsewhere."""


EVERY_RECORD_HAS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"taskName"}  # since Python 3.12


class Lines(logging.Formatter):
    """Makes a line of what a record says and of what it is about, without secrets.

    Every request pays for one: structlog's formatter for the standard library takes three times as long.
    """

    def __init__(self, render: Callable[[dict[str, Any]], str], redaction: Redaction) -> None:
        super().__init__()
        self._render = render
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts = {
            "event": record.getMessage(),
            **structlog.contextvars.get_contextvars(),
            "level": record.levelname.lower(),
            "logger": record.name,
            **{name: fact for name, fact in vars(record).items() if name not in EVERY_RECORD_HAS},
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        if record.exc_info:
            facts["exception"] = self.formatException(record.exc_info)
        return self._render({name: self._redaction.value(name, fact) for name, fact in facts.items()})


def start_logging(
    level: str, log_format: Literal["auto", "json", "console"] = "auto", secrets: Iterable[str] = ()
) -> None:
    """Send every module's log lines to standard error, without `secrets` and what looks like one.

    `auto` is for people if that is a terminal.
    """
    is_for_people = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    render = _for_people() if is_for_people else JSONEncoder(default=str).encode
    handler.setFormatter(Lines(render, Redaction(secrets)))
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no line shows them
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # what it says at start and end, we say
    for name in (
        "aiormq",
        "aio_pika",
        "aiokafka",
    ):  # they tell of every try to connect; the brokers tell of trouble
        logging.getLogger(name).setLevel(logging.CRITICAL)


def about(**facts: object) -> AbstractContextManager[None]:
    """Put these facts on every line that is written inside the block; what is None is left out."""
    return structlog.contextvars.bound_contextvars(**_known(facts))


def from_here_about(**facts: object) -> None:
    """Put these facts on every line that this task writes from now on."""
    structlog.contextvars.bind_contextvars(**_known(facts))


def current(name: str) -> str | None:
    """Return what is on every line under this name, if something is."""
    fact = structlog.contextvars.get_contextvars().get(name)
    return None if fact is None else str(fact)


def no_span(_: str, __: str | None = None, /, **___: Fact) -> AbstractContextManager[Note]:
    """Time nothing: nobody wants traces."""
    return NO_SPAN


def _forget(**_: Fact) -> None:
    """There is no span to add to."""


NO_SPAN: Final = nullcontext[Note](_forget)


def origin() -> tuple[str | None, str | None]:
    """Return the request's id and its place in a trace, for the rows of what it wants done."""
    return current("request_id"), current("traceparent")


def _known(facts: Mapping[str, object]) -> dict[str, Any]:
    return {name: fact for name, fact in facts.items() if fact is not None}


def _for_people() -> Callable[[dict[str, Any]], str]:
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    return lambda facts: renderer(None, "", facts)
