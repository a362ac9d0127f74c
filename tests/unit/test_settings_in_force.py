"""The settings as they are shown: all of them, and not one secret."""

from typing import Any

import pytest

from packshot.overview import in_force
from packshot.settings import PREFIX, Settings, load_settings

PLANTED = "Xy7qPlanted"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://packshot:{}@db.example/packshot",
        "postgresql://packshot@db.example/packshot?password={}&sslmode=require",
        "postgresql://packshot:a/b@c{}@db.example,other.example/packshot",
        "amqp://{}:guest@mq.example/",
        "s3://bucket/prefix?aws_secret_access_key={}",
        "kafka://user:{}@one.example:9092,two.example:9092/topic?sasl=plain",
        "rediss://:{}@cache.example:6379/0#{}",
    ],
)
@pytest.mark.parametrize("setting", ["database_url", "broker_url", "store_url", "cache_url"])
def test_no_password_is_shown(setting: str, url: str) -> None:
    shown = in_force(load_settings(**{setting: url.replace("{}", PLANTED)}))

    assert PLANTED not in str(shown)
    assert ".example" in str(shown) or "bucket" in str(shown)


def test_a_secret_that_is_none_of_a_url_is_hidden_by_its_name() -> None:
    class WithSecrets(Settings):
        signing_secret: str = 4 * PLANTED
        otlp_headers: str = f"x-team={PLANTED}"
        signing_key: str = PLANTED

    defaults: dict[str, Any] = {}

    assert PLANTED not in str(in_force(WithSecrets(**defaults)))


def test_every_setting_is_shown_as_the_environment_would_say_it() -> None:
    shown = in_force(load_settings(allow_ports="80,8000", host_limits="a.example=2,b.example=3"))

    assert [*shown] == [PREFIX + name.upper() for name in Settings.model_fields]
    assert shown["PACKSHOT_ALLOW_PORTS"] == "80,8000"
    assert shown["PACKSHOT_HOST_LIMITS"] == "a.example=2,b.example=3"
    assert shown["PACKSHOT_BROKER_URL"] == "memory:"
    assert shown["PACKSHOT_PRESETS_FILE"] == ""
