"""What a kafka:// URL says, and that a wrong one is told at the start without its password."""

from pathlib import Path
from typing import Final

import pytest

from packshot.brokers import open_broker
from packshot.brokers.kafka_address import KafkaAddress
from packshot.errors import ConfigError

SECRET: Final = "p4ssw0rd"  # noqa: S105 - of nobody


def security_of(url: str) -> tuple[str, str, bool]:
    """Protocol, mechanism, and whether certificates are looked at."""
    connection = KafkaAddress.read(url).connection()
    return (
        connection["security_protocol"],
        connection["sasl_mechanism"],
        connection["ssl_context"] is not None,
    )


def test_the_shortest_address_is_a_host() -> None:
    address = KafkaAddress.read("kafka://broker.example")

    assert address == KafkaAddress(("broker.example",), "packshot.images", None, None, {})
    assert (address.group, address.partitions) == ("packshot", 16)


def test_an_address_may_say_everything() -> None:
    address = KafkaAddress.read(
        "kafka://ada:x@a.example:9092,b.example:9093/pictures?group=shop&partitions=4"
    )

    assert address.servers == ("a.example:9092", "b.example:9093")
    assert (address.topic, address.group, address.partitions) == ("pictures", "shop", 4)
    assert (address.user, address.password) == ("ada", "x")


def test_the_clients_are_told_who_and_where() -> None:
    connection = KafkaAddress.read(f"kafka://ada:{SECRET}@a.example:1,[::1]:2").connection()

    assert connection["bootstrap_servers"] == ["a.example:1", "[::1]:2"]
    assert (connection["sasl_plain_username"], connection["sasl_plain_password"]) == ("ada", SECRET)


@pytest.mark.parametrize(
    ("written", "user", "password"),
    [
        ("ada:x%40y", "ada", "x@y"),
        ("ada%40shop:x%2Fy%3A", "ada@shop", "x/y:"),
        ("ada:x:y", "ada", "x:y"),
        ("ada:x@y", "ada", "x@y"),
        ("ada:100%25", "ada", "100%"),
    ],
)
def test_names_and_passwords_may_have_any_character(written: str, user: str, password: str) -> None:
    address = KafkaAddress.read(f"kafka://{written}@broker.example:9092")

    assert (address.user, address.password) == (user, password)
    assert address.servers == ("broker.example:9092",)


@pytest.mark.parametrize(
    ("url", "security"),
    [
        ("kafka://broker", ("PLAINTEXT", "PLAIN", False)),
        ("kafka://broker?security_protocol=SSL", ("SSL", "PLAIN", True)),
        ("kafka://a:b@broker", ("SASL_SSL", "PLAIN", True)),
        ("kafka://a:b@broker?sasl_mechanism=SCRAM-SHA-512", ("SASL_SSL", "SCRAM-SHA-512", True)),
        ("kafka://a:b@broker?security_protocol=SASL_PLAINTEXT", ("SASL_PLAINTEXT", "PLAIN", False)),
    ],
)
def test_a_login_is_encrypted_unless_told_otherwise(url: str, security: tuple[str, str, bool]) -> None:
    assert security_of(url) == security


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("kafka:", "names no broker"),
        ("kafka:///topic", "names no broker"),
        ("kafka://a.example,,b.example/topic", "names no broker"),
        ("kafka://broker.example:port/topic", "names no broker"),
        ("kafka://broker.example:/topic", "names no broker"),
        ("kafka://[::1", "names no broker"),
        ("kafka://broker?topics=a&grup=b", "grup, topics: unknown; there are cafile, "),
        ("kafka://broker?security_protocol=TLS", "security_protocol is one of PLAINTEXT, SSL, "),
        ("kafka://broker?sasl_mechanism=GSSAPI", "sasl_mechanism is one of PLAIN, "),
        ("kafka://broker?partitions=0", "partitions is a number from 1"),
        ("kafka://broker?partitions=-1", "partitions is a number from 1"),
        ("kafka://broker?partitions=many", "partitions is a number from 1"),
        ("kafka://ada@broker", "SASL_SSL needs a user and a password"),
        ("kafka://broker?security_protocol=SASL_PLAINTEXT", "SASL_PLAINTEXT needs a user and a password"),
        ("kafka://broker?security_protocol=SSL&cafile=missing.pem", "No such file"),
    ],
)
def test_a_wrong_address_is_the_settings_fault(url: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=r"^PACKSHOT_BROKER_URL: ") as caught:
        open_broker(url, slots=1, count=lambda _: None)

    assert reason in str(caught.value)


def test_certificates_that_are_none_are_the_settings_fault(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")

    with pytest.raises(ConfigError, match="PACKSHOT_BROKER_URL"):
        open_broker(
            f"kafka://broker?security_protocol=SSL&cafile={tmp_path / 'ca.pem'}",
            slots=1,
            count=lambda _: None,
        )


@pytest.mark.parametrize(
    "url",
    [
        f"kafka://ada:{SECRET}@",
        f"kafka://ada:{SECRET}@broker:port",
        f"kafka://ada:{SECRET}@broker?wrong=1",
        f"kafka://ada:{SECRET}@broker?security_protocol=wrong",
        f"kafka://:{SECRET}@broker?security_protocol=SASL_SSL",
        f"kafka://ada:{SECRET}/x@broker:9092",
        f"kafka://ada:{SECRET}?x=1@broker:9092",
        f"kafka://ada:x/{SECRET}@broker:9092",
        f"kafka://ada:{SECRET}#x@broker:9092",
    ],
)
def test_no_error_gives_the_password_away(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_broker(url, slots=1, count=lambda _: None)

    assert SECRET not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_an_address_that_is_printed_hides_the_password() -> None:
    assert SECRET not in repr(KafkaAddress.read(f"kafka://ada:{SECRET}@broker"))
