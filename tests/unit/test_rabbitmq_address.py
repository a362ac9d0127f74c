"""What an amqp:// URL may say, and that a wrong one is told at the start without its password."""

from pathlib import Path
from typing import Final

import pytest

from packshot.brokers import open_broker
from packshot.brokers.rabbitmq import RabbitLine
from packshot.errors import ConfigError

SECRET: Final = "hunter2"  # noqa: S105 - of nobody

WRONG: Final = {
    "amqp://": "names no server",
    "amqp:///vhost": "names no server",
    f"amqp://u:{SECRET}@h:99999/": "names no server",
    f"amqp://u:{SECRET}@h:x/": "names no server",
    f"amqp://u:{SECRET}#x@h/v": "%23",
    f"amqp://u:{SECRET}/x@h/v": "%2F",
    f"amqp://u:{SECRET}@h/v?quue=x": "quue: unknown",
    f"amqp://u:{SECRET}@h/v?heartbeat=x": "heartbeat is a number",
    f"amqp://u:{SECRET}@h/v?heartbeat=-5": "heartbeat is a number",
    f"amqp://u:{SECRET}@h/v?heartbeat=0": "from 1",
    f"amqps://u:{SECRET}@h/v?cafile=/nowhere/ca.pem": "/nowhere/ca.pem",
}


@pytest.mark.parametrize(("url", "reason"), WRONG.items())
def test_a_wrong_address_is_told_at_the_start_without_its_password(url: str, reason: str) -> None:
    with pytest.raises(ConfigError, match="PACKSHOT_BROKER_URL") as caught:
        open_broker(url, 4, print)

    assert reason in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("amqp://h", "RabbitMQ at h:5672, vhost /, queue packshot.images"),
        (f"amqps://u:{SECRET}@h:1/shop%2Feu?queue=q", "RabbitMQ at h:1, vhost shop/eu, queue q"),
    ],
)
def test_its_name_says_where_it_is_and_not_who_we_are(url: str, name: str) -> None:
    assert RabbitLine(url, 4).name == name


def test_a_kafka_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        open_broker(f"kafka://h/?security_protocol=SSL&cafile={tmp_path}/ca.pem", 4, print)
