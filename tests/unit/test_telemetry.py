"""What a log line looks like, in a process of its own: logging belongs to the whole process."""

import json
import os
import pty
import subprocess
import sys
from typing import Any, Final

SPEAK: Final = """
import logging
from packshot.telemetry import start_logging

start_logging("info")
log = logging.getLogger("packshot.somewhere")
log.debug("not worth a line")
log.info("image ready", extra={"image_id": 7, "path": object})
logging.getLogger("uvicorn.access").info("GET /healthz")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("image left to its lease")
"""


def spoken() -> list[dict[str, Any]]:
    process = subprocess.run([sys.executable, "-c", SPEAK], capture_output=True, check=True)  # noqa: S603 - our own script
    assert process.stdout == b""
    return [json.loads(line) for line in process.stderr.splitlines()]


def test_a_line_is_json_that_says_what_happened_and_to_what() -> None:
    ready, _ = spoken()

    assert ready.pop("timestamp").endswith("Z")
    assert ready == {
        "event": "image ready",
        "level": "info",
        "logger": "packshot.somewhere",
        "image_id": 7,
        "path": "<class 'object'>",
    }


def test_a_bug_comes_with_its_traceback_in_the_same_line() -> None:
    _, bug = spoken()

    assert (bug["event"], bug["level"]) == ("image left to its lease", "error")
    assert "ZeroDivisionError" in bug["exception"]


def test_on_a_terminal_a_line_is_for_people() -> None:
    reader, writer = pty.openpty()
    subprocess.run([sys.executable, "-c", SPEAK], stderr=writer, check=True)  # noqa: S603 - our own script
    os.close(writer)
    shown = os.read(reader, 100_000).decode()
    os.close(reader)

    assert "image ready" in shown
    assert '"event"' not in shown
