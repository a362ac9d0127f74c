"""What a log line looks like, in a process of its own: logging belongs to the whole process."""

import json
import os
import pty
import subprocess
import sys
from typing import Any, Final

SPEAK: Final = """
import logging, sys
from packshot.telemetry import about, current, start_logging

start_logging("info", *sys.argv[1:])
log = logging.getLogger("packshot.somewhere")
log.debug("not worth a line")
log.info("image ready", extra={"image_id": 7, "path": object})
logging.getLogger("uvicorn.access").info("GET /healthz")
with about(request_id="order-4711", product_id=None):
    log.info(current("request_id"))
try:
    1 / 0
except ZeroDivisionError:
    log.exception("image left to its lease")
"""


def said(*log_format: str) -> bytes:
    process = subprocess.run([sys.executable, "-c", SPEAK, *log_format], capture_output=True, check=True)  # noqa: S603 - our own script
    assert process.stdout == b""
    return process.stderr


def spoken() -> list[dict[str, Any]]:
    return [json.loads(line) for line in said().splitlines()]


def test_a_line_is_json_that_says_what_happened_and_to_what() -> None:
    ready, *_ = spoken()

    assert ready.pop("timestamp").endswith("Z")
    assert ready == {
        "event": "image ready",
        "level": "info",
        "logger": "packshot.somewhere",
        "image_id": 7,
        "path": "<class 'object'>",
    }


def test_a_bug_comes_with_its_traceback_in_the_same_line() -> None:
    *_, bug = spoken()

    assert (bug["event"], bug["level"]) == ("image left to its lease", "error")
    assert "ZeroDivisionError" in bug["exception"]


def test_what_a_block_is_about_is_on_its_lines_and_on_no_others() -> None:
    _, inside, after = spoken()

    assert (inside["event"], inside["request_id"]) == ("order-4711", "order-4711")
    assert "product_id" not in inside
    assert "request_id" not in after


def test_people_can_have_it_their_way_without_a_terminal_too() -> None:
    shown = said("console")

    assert b"image ready" in shown
    assert b'"event"' not in shown
    assert b"Traceback" in shown
    assert b"\x1b" not in shown  # no colours in a file


def test_machines_can_have_it_their_way_on_a_terminal_too() -> None:
    shown = on_a_terminal("json")

    assert json.loads(shown.splitlines()[0])["event"] == "image ready"


def test_on_a_terminal_a_line_is_for_people() -> None:
    shown = on_a_terminal()

    assert "image ready" in shown
    assert '"event"' not in shown


def on_a_terminal(*log_format: str) -> str:
    reader, writer = pty.openpty()
    subprocess.run([sys.executable, "-c", SPEAK, *log_format], stderr=writer, check=True)  # noqa: S603 - our own script
    os.close(writer)
    shown = os.read(reader, 100_000).decode()
    os.close(reader)
    return shown
