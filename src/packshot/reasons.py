"""
Why a server cannot be used, in a person's words: client libraries speak of types, numbers and tuples.

Says nothing of which server it was, and nothing that was not in the error.
"""

import os
import re
import ssl
from collections.abc import Iterator
from socket import gaierror
from typing import Final

# aiokafka tells of each server what we have said of all of them already.
KAFKA_NOWHERE: Final = re.compile(r"Unable to bootstrap from .*")


def reason_in(error: BaseException) -> str:
    """Return what the network or the system said, if it was one of them, else what the library says."""
    for cause in _causes(error):
        if words := _of_the_system(cause):
            return words
    if isinstance(error, TimeoutError):
        return "no answer in time"
    said = str(error).removeprefix(f"{type(error).__name__}: ").rstrip(".")
    return KAFKA_NOWHERE.sub("no server answers there", said) or type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield what led to it, the first cause first; not every library names its cause."""
    if cause := error.__cause__ or error.__context__:
        yield from _causes(cause)
    yield error


def _of_the_system(error: BaseException) -> str:
    match error:
        case ssl.SSLError():
            return f"no encrypted connection (TLS): {error.strerror or error}"
        case gaierror():
            return str(error.strerror).lower()
        case OSError(errno=int(number)):
            return (os.strerror(number) if number > 0 else str(error.strerror)).lower()
    return ""
