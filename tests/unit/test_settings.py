"""Settings: where they come from, and the one message about everything that is wrong with them."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from packshot.errors import ConfigError
from packshot.redaction import Redaction
from packshot.settings import Settings, cores, load_settings, secrets_in


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, so that nobody's `.env` is read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems() -> str:
    with pytest.raises(ConfigError) as error:
        load_settings()
    return str(error.value)


def test_nothing_has_to_be_set() -> None:
    settings = load_settings()

    assert (settings.host, settings.port, settings.broker_url) == ("127.0.0.1", 8080, "memory:")
    assert settings.workers == 4 * cores()


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKSHOT_PORT", "9000")

    assert load_settings().port == 9000


def test_a_file_called_env_is_read(folder: Path) -> None:
    (folder / ".env").write_text("PACKSHOT_PORT=9000\n")

    assert load_settings().port == 9000


def test_the_environment_wins_over_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("PACKSHOT_PORT=9000\n")
    monkeypatch.setenv("PACKSHOT_PORT", "9001")

    assert load_settings().port == 9001


def test_an_argument_wins_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKSHOT_PORT", "9000")

    assert load_settings(port=9001).port == 9001


def test_every_problem_is_named_in_one_message(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("PACKSHOT_WROKERS=4\n")
    monkeypatch.setenv("PACKSHOT_PROT", "9000")
    monkeypatch.setenv("PACKSHOT_PORT", "ninety")
    monkeypatch.setenv("PACKSHOT_MAX_ATTEMPTS", "0")

    lines = problems().splitlines()

    assert [re.split(r":| is ", line)[0].strip() for line in lines] == [
        "Settings are wrong",
        "PACKSHOT_PROT",
        "PACKSHOT_WROKERS",
        "PACKSHOT_PORT",
        "PACKSHOT_MAX_ATTEMPTS",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("WORKERS", "0"),
        ("WORKERS", "1025"),
        ("ALLOW_PORTS", "80,http"),
        ("HOST_DOWNLOADS", "0"),
        ("HOST_LIMITS", "shop.example"),
        ("HOST_LIMITS", "shop.example=0"),
        ("HOST_LIMITS", "shop.example=few"),
        ("HOST_LIMITS", "=2"),
        ("MAX_SOURCE_BYTES", "0"),
        ("DOWNLOAD_SECONDS", "0"),
        ("DECODE_MEMORY_BYTES", "1000"),
        ("MAX_ATTEMPTS", "1001"),
        ("LEASE_SECONDS", "nan"),
        ("DOWNLOAD_SECONDS", "inf"),
        ("LOG_LEVEL", "chatty"),
    ],
)
def test_a_value_that_cannot_be_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"PACKSHOT_{name}", value)

    assert f"PACKSHOT_{name} is wrong: " in problems()


def test_a_password_in_a_wrong_value_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKSHOT_PORT", "s3cret")

    assert "s3cret" not in problems()


def test_names_of_others_are_none_of_our_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKSHOTS", "1")
    monkeypatch.setenv("PORT", "ninety")

    assert load_settings().port == 8080


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKSHOT_ALLOW_SOURCES", "10.0.0.0/8, images.internal,")
    monkeypatch.setenv("PACKSHOT_ALLOW_PORTS", "80,8443")

    settings = load_settings()

    assert settings.allow_sources == ("10.0.0.0/8", "images.internal")
    assert settings.allow_ports == (80, 8443)


def test_limits_of_hosts_are_written_as_equations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKSHOT_HOST_LIMITS", "Shop.example=2, cdn.example = 16,")

    assert load_settings().host_limits == (("shop.example", 2), ("cdn.example", 16))


def test_an_empty_list_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKSHOT_ALLOW_PORTS", "")

    assert load_settings().allow_ports == ()


def test_an_empty_presets_file_means_the_built_in_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKSHOT_PRESETS_FILE", "")

    assert load_settings().presets_file is None


def test_the_store_lies_in_the_data_folder_unless_told_otherwise(folder: Path) -> None:
    assert load_settings().store_dir_url == (folder / "data/store").as_uri()
    assert load_settings(store_url="file:///elsewhere").store_dir_url == "file:///elsewhere"


def test_settings_cannot_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().port = 9000


def test_every_setting_is_described_in_a_sentence() -> None:
    assert [
        name for name, field in Settings.model_fields.items() if not (field.description or "").endswith(".")
    ] == []


@pytest.mark.parametrize("value", ["pictures.shop.example", "ftp://shop.example", "/pictures"])
def test_a_public_address_is_one_of_the_web(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PACKSHOT_PUBLIC_URL", value)

    with pytest.raises(ConfigError, match="PACKSHOT_PUBLIC_URL"):
        load_settings()


@pytest.mark.parametrize(
    "url",
    [
        "cdn.example",
        "ftp://cdn.example",
        "https://u:p@cdn.example",
        "https://cdn.example/?x=1",
        "https://c/#x",
    ],
)
def test_an_address_that_every_visitor_sees_has_no_login_and_no_query(url: str) -> None:
    with pytest.raises(ConfigError, match="PACKSHOT_PUBLIC_URL"):
        load_settings(public_url=url)


@pytest.mark.parametrize(("pictures", "secret"), [("signed", ""), ("signed", "x" * 31), ("public", "short")])
def test_a_secret_that_is_too_short_is_refused_and_not_repeated(pictures: str, secret: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_settings(pictures=pictures, signing_secret=secret)

    said = Redaction().text(str(error.value))  # as `packshot` prints it
    assert re.search(r"PACKSHOT_SIGNING_SECRET is wrong: .* needs 32; openssl", said)
    assert not secret or secret not in said


def test_a_problem_is_said_in_our_words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKSHOT_HOST_LIMITS", "many")

    assert "PACKSHOT_HOST_LIMITS is wrong: write host=number" in problems()


def test_the_signing_secret_is_not_shown() -> None:
    settings = load_settings(pictures="signed", signing_secret="s" * 32)

    assert "s" * 32 not in repr(settings)
    assert "s" * 32 in secrets_in(settings)
