"""
A load generator that is in nobody's way: one request, sent over and over on some connections.

It shares the cores with what it measures, so it does next to nothing: no HTTP library, one system call
to send, one or two to receive.
"""

import json
import re
import selectors
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from time import perf_counter
from typing import Any, Final, cast

LENGTH: Final = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
FINE: Final = (b"HTTP/1.1 2", b"HTTP/1.1 304")
CHUNK_BYTES: Final = 65_536
SILENCE_SECONDS: Final = 10


class Line:
    """One keep-alive connection with one request under way."""

    def __init__(self, connection: socket.socket, request: bytes) -> None:
        self._connection = connection
        self._request = request
        self._heard = b""
        connection.sendall(request)

    def listen(self) -> bool:
        """Take what has come; if the answer is complete, send the request again and return True.

        Raises ConnectionError for an answer that is not a success.
        """
        data = self._connection.recv(CHUNK_BYTES)
        self._heard += data
        head, found, body = self._heard.partition(b"\r\n\r\n")
        if not data or (found and not head.startswith(FINE)):
            raise ConnectionError(f"The API refuses: {self._heard[:500]!r}")
        length = LENGTH.search(head)
        if not found or len(body) < (int(length[1]) if length else 0):
            return False
        self._heard = b""
        self._connection.sendall(self._request)
        return True


def answers_per_second(address: tuple[str, int], request: bytes, connections: int, seconds: float) -> float:
    """Send the request again as soon as its answer is there, on every connection."""
    with selectors.DefaultSelector() as selector, ExitStack() as stack:
        for _ in range(connections):
            connection = stack.enter_context(socket.create_connection(address))
            selector.register(connection, selectors.EVENT_READ, Line(connection, request))
        answers = 0
        started = perf_counter()
        while perf_counter() < started + seconds:
            ready = selector.select(SILENCE_SECONDS)
            assert ready, "the API has stopped answering"
            answers += sum(cast("Line", key.data).listen() for key, _ in ready)
        return answers / (perf_counter() - started)


def post(path: str, body: Mapping[str, Any]) -> bytes:
    """Return a request that leaves the connection open."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def get(path: str, if_none_match: str = "") -> bytes:
    """Return a request that leaves the connection open."""
    condition = f"If-None-Match: {if_none_match}\r\n" if if_none_match else ""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{condition}\r\n".encode()
