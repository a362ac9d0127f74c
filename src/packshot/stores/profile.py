"""
Keys from `~/.aws`, read as the AWS command line does: a profile's keys, region and endpoint.

No SSO, no assumed roles, no programs to call: who has those exports the keys into the environment.
What the files say is never repeated in an error, because it is secrets.
"""

import configparser
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from packshot.errors import ConfigError

KEYS_ELSEWHERE: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)
READ_AGAIN: Final = timedelta(minutes=10)  # somebody may renew the keys in the files


class Profile:
    """One profile in the files; `AWS_PROFILE` names it, or else it is `default`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._name = environment.get("AWS_PROFILE", "default")
        self._files = {
            environment.get("AWS_CONFIG_FILE", "~/.aws/config"): f"profile {self._name}",
            environment.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"): self._name,
        }

    def read(self) -> dict[str, str]:
        """Return what the files say now; raise ConfigError for a file that cannot be read."""
        found: dict[str, str] = {}
        for file, section in self._files.items():
            parser = configparser.RawConfigParser(strict=False)
            try:
                parser.read(Path(file).expanduser(), "utf-8")
            except (OSError, ValueError, configparser.Error):
                raise ConfigError(f"{file} cannot be read as a file of AWS profiles.") from None
            for name in {section, self._name}:
                found |= dict(parser[name]) if name in parser else {}
        return found

    def keys(self) -> dict[str, Any]:
        """Return the keys in the shape that obstore asks for; raise ConfigError if there are none."""
        found = self.read()
        if not {"aws_access_key_id", "aws_secret_access_key"} <= found.keys():
            raise ConfigError(f"The AWS profile {self._name!r} has no keys; Packshot knows no other logins.")
        return {
            "access_key_id": found["aws_access_key_id"],
            "secret_access_key": found["aws_secret_access_key"],
            "token": found.get("aws_session_token"),
            "expires_at": datetime.now(UTC) + READ_AGAIN,
        }


def find_profile(environment: Mapping[str, str]) -> Profile | None:
    """Return the profile whose keys are to be used; None if the keys come from elsewhere.

    Raise ConfigError for a profile that is asked for and has no keys.
    """
    if any(environment.get(name) for name in KEYS_ELSEWHERE):
        return None
    profile = Profile(environment)
    if "AWS_PROFILE" in environment:
        profile.keys()
        return profile
    return profile if "aws_access_key_id" in profile.read() else None
