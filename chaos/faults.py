"""What is broken, how often in the whole run and in the short one, and what to wait for afterwards."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from chaos import message_faults, server_faults, worker_faults
from chaos.books import Incident
from chaos.system import System


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break things. `strike` is given the number of its turn, breaks one thing and mends it.

    The next turn comes when all images have recovered, or at once if turns may overlap; in any case after a
    pause, in which connections are made again: the next fault shall find everything in use.
    """

    act: str
    name: str
    times: int
    times_in_short: int
    strike: Callable[[System, int], Awaitable[Incident]]
    pause_seconds: float = 2
    may_overlap: bool = False


FAULTS: Final = (
    Fault("rabbitmq", "queue purged or deleted", 5, 1, message_faults.empty_queue, pause_seconds=6),
    Fault("rabbitmq", "worker frozen past its lease", 20, 1, worker_faults.stop_past_the_lease),
    Fault("rabbitmq", "worker kill -9", 200, 10, worker_faults.kill, pause_seconds=1, may_overlap=True),
    Fault(
        "rabbitmq",
        "RabbitMQ restart, kill -9, freeze",
        10,
        1,
        server_faults.trouble_rabbitmq,
        pause_seconds=6,
    ),
    Fault("rabbitmq", "PostgreSQL immediate restart", 10, 1, server_faults.restart_postgresql),
    Fault("rabbitmq", "PostgreSQL connections terminated", 50, 2, server_faults.terminate_connections),
    Fault("rabbitmq", "PostgreSQL half-open or slow", 10, 1, server_faults.trouble_cable),
    Fault("rabbitmq", "every message ten times (RabbitMQ)", 1, 1, message_faults.tenfold),
    Fault("kafka", "Kafka restart, kill -9", 5, 1, server_faults.restart_kafka, pause_seconds=6),
    Fault("kafka", "group churn", 20, 1, worker_faults.churn),
    Fault("kafka", "offsets to the beginning", 3, 1, message_faults.rewind, pause_seconds=6),
    Fault("kafka", "every message ten times (Kafka)", 1, 1, message_faults.tenfold),
)
ACTS: Final = tuple(dict.fromkeys(fault.act for fault in FAULTS))
