"""What client libraries raise, in a person's words."""

import errno
import socket
import ssl

import pytest

from packshot.reasons import reason_in


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"),
            "connection refused",
        ),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "name or service not known"),
        (
            caused(RuntimeError("(-2, None)"), OSError(-2, "Name or service not known")),
            "name or service not known",
        ),
        (caused(RuntimeError("Error 104"), OSError(errno.ECONNRESET, "x")), "connection reset by peer"),
        (ssl.SSLError(1, "wrong version number"), "no encrypted connection (TLS): wrong version number"),
        (TimeoutError(), "no answer in time"),
        (ConnectionError("the connection broke"), "the connection broke"),
        (ValueError("ValueError: too small."), "too small"),
        (LookupError(), "LookupError"),
        (
            RuntimeError("Unable to bootstrap from [('db', 9092, <AddressFamily.AF_INET: 2>)]"),
            "no server answers there",
        ),
    ],
)
def test_a_reason_is_what_a_person_would_say(error: Exception, reason: str) -> None:
    assert reason_in(error).endswith(reason)
    assert "(1" not in reason_in(error)
