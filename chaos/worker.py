"""
`packshot work` that kills itself, or stops in its tracks, at a chosen step.

    CHAOS_DOOM=SIGKILL:Images.finish:after:2 python -m chaos.worker

First comes the signal that it sends to itself. The step is a method of a room, the moment is before or
after it, and the number says at which call. The program itself knows nothing of this: the method is
wrapped here, before anything runs. Without CHAOS_DOOM it is an ordinary worker.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from itertools import count
from typing import Any, Final, ParamSpec, TypeVar

from packshot.backlog import Backlog
from packshot.brokers.remote import RemoteBroker, RemoteDelivery
from packshot.cli import main
from packshot.compress import Compressor
from packshot.download import Downloader
from packshot.images import Images
from packshot.stores.local import LocalStore

P = ParamSpec("P")
T = TypeVar("T")

DOOM: Final = "CHAOS_DOOM"
STEPS: Final[Mapping[str, type[Any]]] = {
    "Backlog.publish_due": Backlog,
    "Images.claim": Images,
    "RemoteDelivery.done": RemoteDelivery,
    "Downloader.download": Downloader,
    "Images.note_source": Images,
    "Compressor.compress": Compressor,
    "LocalStore.put": LocalStore,
    "Images.finish": Images,
    "RemoteBroker.publish": RemoteBroker,
}


def doom(end: signal.Signals, step: str, moment: str, number: int) -> None:
    """Let this process send itself a signal at that call of the step; `moment` is before or after."""
    room, method = STEPS[step], step.rpartition(".")[2]
    setattr(room, method, _deadly(getattr(room, method), end, moment, number))


def _deadly(
    act: Callable[P, Awaitable[T]], end: signal.Signals, moment: str, number: int
) -> Callable[P, Awaitable[T]]:
    calls = count(1)

    @wraps(act)
    async def deadly(*args: P.args, **kwargs: P.kwargs) -> T:
        is_it = next(calls) == number
        if is_it and moment == "before":
            os.kill(os.getpid(), end)
        result = await act(*args, **kwargs)
        if is_it and moment == "after":
            os.kill(os.getpid(), end)
        return result

    return deadly


if __name__ == "__main__":
    if DOOM in os.environ:
        end, step, moment, number = os.environ[DOOM].split(":")
        doom(signal.Signals[end], step, moment, int(number))
    sys.argv = ["packshot", "work"]
    main()
