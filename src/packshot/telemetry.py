"""What the program says about itself: one line per event, readable on a terminal, JSON elsewhere."""

import logging
import sys

import structlog

SHARED: list[structlog.typing.Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def start_logging(level: str) -> None:
    """Send every module's log lines to standard error."""
    if sys.stderr.isatty():
        shape: list[structlog.typing.Processor] = [structlog.dev.ConsoleRenderer()]
    else:
        shape = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shape],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # what it says at start and end, we say
    for name in (
        "aiormq",
        "aio_pika",
        "aiokafka",
    ):  # they tell of every try to connect; the brokers tell of trouble
        logging.getLogger(name).setLevel(logging.CRITICAL)
