"""Keys from files in the way of AWS: which profile counts, and what is never said."""

import traceback
from datetime import UTC, datetime
from pathlib import Path

import pytest

from packshot.errors import ConfigError
from packshot.stores.profile import find_profile

KEYS = "aws_access_key_id = {0}ID\naws_secret_access_key = {0}SECRET\n"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The environment that leads to two files: two profiles with keys, and one without."""
    (tmp_path / "credentials").write_text(f"[default]\n{KEYS.format('OUR')}[shop]\n{KEYS.format('SHOP')}")
    (tmp_path / "config").write_text(
        "[default]\nregion = eu-west-1\n[profile shop]\nregion = eu-central-1\n"
        "endpoint_url = http://s3.shop.example\n[profile sso]\nsso_session = office\n"
    )
    return {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }


def test_without_a_name_it_is_the_default_profile(files: dict[str, str]) -> None:
    profile = find_profile(files)

    assert profile
    assert profile.keys()["access_key_id"] == "OURID"
    assert profile.read()["region"] == "eu-west-1"


def test_a_profile_has_keys_a_region_and_an_endpoint_from_both_files(files: dict[str, str]) -> None:
    profile = find_profile({**files, "AWS_PROFILE": "shop"})

    assert profile
    assert profile.keys()["secret_access_key"] == "SHOPSECRET"  # noqa: S105 - it is none
    assert profile.read()["region"] == "eu-central-1"
    assert profile.read()["endpoint_url"] == "http://s3.shop.example"


def test_keys_in_the_environment_come_first(files: dict[str, str]) -> None:
    assert find_profile({**files, "AWS_PROFILE": "shop", "AWS_ACCESS_KEY_ID": "ID"}) is None


def test_without_files_the_machine_has_a_role_of_its_own(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")

    assert find_profile({"AWS_CONFIG_FILE": missing, "AWS_SHARED_CREDENTIALS_FILE": missing}) is None


@pytest.mark.parametrize("name", ["sso", "nobody"])
def test_a_profile_that_is_asked_for_must_have_keys(files: dict[str, str], name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}.*no keys"):
        find_profile({**files, "AWS_PROFILE": name})


def test_keys_are_read_again_because_somebody_may_renew_them(files: dict[str, str]) -> None:
    profile = find_profile(files)
    assert profile

    Path(files["AWS_SHARED_CREDENTIALS_FILE"]).write_text(f"[default]\n{KEYS.format('NEW')}")

    assert profile.keys()["access_key_id"] == "NEWID"
    assert profile.keys()["expires_at"] > datetime.now(UTC)


def test_a_broken_file_is_named_and_not_repeated(files: dict[str, str]) -> None:
    Path(files["AWS_SHARED_CREDENTIALS_FILE"]).write_text("HUSH without a section\n")

    with pytest.raises(ConfigError, match="credentials cannot be read") as caught:
        find_profile(files)
    assert "HUSH" not in "".join(traceback.format_exception(caught.value))
