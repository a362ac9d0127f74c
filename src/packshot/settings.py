"""
Settings: read once, complained about once.

Everything comes from the environment and `.env`, prefix `PACKSHOT_`. A value that is wrong and a
name that does not exist are collected into one message. Sizes are in bytes, times in seconds.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from packshot.errors import ConfigError
from packshot.server_urls import split_url

PREFIX = "PACKSHOT_"
SECRETS_OF_CLOUDS: Final = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_CLIENT_SECRET",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
)
LEAST_SECRET = 32  # characters


class Settings(BaseSettings):
    """Every setting with its default. The description is the row in `docs/operations.md`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", frozen=True, extra="ignore", allow_inf_nan=False
    )

    data_dir: Path = Field(
        Path("data"), description="Where the embedded database, the pictures and work in hand lie."
    )
    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    database_url: str = Field("", description="`postgresql://…`; empty starts the embedded PostgreSQL.")
    broker_url: str = Field(
        "memory:",
        description="`memory:` hands work on inside the process; `amqp://…`; `amqps://…`; `kafka://…`.",
    )
    store_url: str = Field(
        "",
        description="`file:///folder`; `s3://bucket/prefix`; `gs://…`; `az://…`; "
        "empty is `store` in the data folder.",
    )
    public_url: str = Field(
        "", description="Where a CDN or a web server shows the store's files; pictures are redirected there."
    )
    rate_limit: int = Field(
        0,
        ge=0,
        description="Requests per minute of an access key without a number of its own; 0 is no limit.",
    )
    pictures: Literal["public", "signed"] = Field(
        "public",
        description="`public`: everybody sees pictures; `signed`: whoever has a signed address or a key.",
    )
    signing_secret: str = Field(
        "",
        validate_default=True,
        repr=False,
        description="Signs addresses of pictures; 32 characters or more, the same in every process.",
    )
    signature_seconds: int = Field(
        86_400, ge=60, description="A signed address works for one to two times as long."
    )
    cache_url: str = Field(
        "", description="`redis://…`; `rediss://…`; keeps answers, and lets workers count downloads together."
    )
    workers: int = Field(
        default_factory=lambda: 4 * cores(),
        ge=1,
        le=1024,
        description="Images worked on at once; one child per core works on pixels. Default: 4 per core.",
    )
    presets_file: Path | None = Field(
        None, description="A TOML file of presets; empty takes the built-in ones."
    )
    allow_sources: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated hosts or CIDRs that the private-network guard lets through."
    )
    allow_webhooks: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Comma-separated hosts or CIDRs that webhooks may reach without TLS or a public address.",
    )
    allow_ports: Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], NoDecode] = Field(
        (80, 443),
        description="Comma-separated ports that sources and webhooks may use; allowed hosts may use any.",
    )
    host_downloads: int = Field(8, ge=1, description="Downloads from one host and port at the same time.")
    host_limits: Annotated[tuple[tuple[str, Annotated[int, Field(ge=1)]], ...], NoDecode] = Field(
        (), description="Comma-separated exceptions to that, such as `slow.example=2,cdn.example=32`."
    )
    max_source_bytes: int = Field(25_000_000, ge=1, description="A source with more bytes is refused.")
    max_pixels: int = Field(
        50_000_000, ge=1, description="A source with more pixels is refused before decoding."
    )
    max_side: int = Field(16_384, ge=1, description="A source that is wider or higher is refused, in pixels.")
    max_frames: int = Field(1_000, ge=1, description="An animation with more frames is refused.")
    extra_formats: Annotated[tuple[Literal["tiff", "svg"], ...], NoDecode] = Field(
        (),
        description="Comma-separated formats to take besides JPEG, PNG, WebP, GIF and AVIF: `tiff`, `svg`.",
    )
    max_redirects: int = Field(5, ge=0, description="Redirects followed before giving up.")
    download_seconds: float = Field(30, gt=0, description="Time for one download in all, redirects included.")
    answer_seconds: float = Field(
        10, gt=0, description="Time for a server to accept the connection and begin its answer, per redirect."
    )
    min_bytes_per_second: int = Field(
        1_000, ge=0, description="A source slower than this for five seconds is dropped."
    )
    decode_seconds: float = Field(
        30, gt=0, description="A decoder child that takes longer for one image is killed."
    )
    decode_memory_bytes: int = Field(
        2_000_000_000, ge=220_000_000, description="Address space of a decoder child."
    )
    max_attempts: int = Field(5, ge=1, le=1000, description="Attempts at one image before it fails.")
    retry_seconds: float = Field(
        5, gt=0, description="Wait before the second attempt; doubles with each one."
    )
    max_retry_seconds: float = Field(3600, gt=0, description="The longest wait between attempts.")
    lease_seconds: float = Field(
        600, gt=0, description="How long a claim lasts before the image is taken back."
    )
    shutdown_seconds: float = Field(
        15, ge=0, description="Time for work in hand at shutdown; then it is given back."
    )
    metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Where `packshot work` shows `/metrics`, `/healthz` and `/readyz`; 0 is nowhere.",
    )
    traces_url: str = Field(
        "", description="`http://collector:4318`; where traces go by OTLP over HTTP; empty makes none."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="What is worth a log line."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`json`; `console` for people; `auto` is `console` on a terminal."
    )

    @field_validator("allow_sources", "allow_webhooks", "allow_ports", "extra_formats", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

    @field_validator("host_limits", mode="before")
    @classmethod
    def _pair(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.strip().partition("=") for part in value.split(",") if part.strip()]
        if not all(host and number.strip().isdecimal() for host, _, number in pairs):
            raise ValueError("write host=number,other.example=number")
        return [(host.strip().lower(), number.strip()) for host, _, number in pairs]

    @field_validator("presets_file", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

    @field_validator("public_url")
    @classmethod
    def _is_a_web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("use http://host or https://host, and a path if you like")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("every visitor sees it: no login, no ? and no #")
        return value.rstrip("/")

    @field_validator("signing_secret")
    @classmethod
    def _is_long_enough(cls, value: str, info: ValidationInfo) -> str:
        if (value or info.data.get("pictures") == "signed") and len(value) < LEAST_SECRET:
            found = (
                f"it has {len(value)} characters" if value else "it is missing, while pictures are signed,"
            )
            raise ValueError(f"{found} and needs {LEAST_SECRET}; openssl rand -base64 32 makes one")
        return value

    @field_validator("traces_url")
    @classmethod
    def _is_a_collector(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("use http://host:4318 or https://host/v1/traces")
        return value

    @property
    def store_dir_url(self) -> str:
        """The store's URL with its default filled in."""
        return self.store_url or (self.data_dir.absolute() / "store").as_uri()


def secrets_in(settings: Settings) -> list[str]:
    """Return what must never be written: our own secret, passwords in URLs, and what clouds call secret."""
    urls = (
        settings.database_url,
        settings.broker_url,
        settings.store_url,
        settings.cache_url,
        settings.traces_url,
    )
    logins = (split_url(url).netloc.rpartition("@")[0] for url in urls)
    passwords = [password for _, _, password in (login.partition(":") for login in logins) if password]
    of_clouds = [os.environ[name] for name in SECRETS_OF_CLOUDS if os.environ.get(name)]
    return [secret for secret in (settings.signing_secret, *passwords, *of_clouds) if secret]


def cores() -> int:
    """Return the number of cores this process may run on."""
    return len(os.sched_getaffinity(0))


def aws_environment() -> dict[str, str]:
    """Return what the environment says about AWS, which has names of its own for it."""
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - pydantic checks each value
    """Read the environment and `.env`; raise ConfigError that names every problem at once."""
    problems = _unknown_names({**dotenv_values(".env"), **os.environ})
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        problems += [_sentence(e["loc"][0], e["msg"]) for e in error.errors()]
    if problems:
        raise ConfigError("Settings are wrong:\n  " + "\n  ".join(problems))
    return settings


def _sentence(name: object, reason: str) -> str:
    """Say what is wrong; behind the colon of a name like SECRET it would be taken for one, and hidden."""
    return f"{PREFIX}{str(name).upper()} is wrong: {reason.removeprefix('Value error, ')}"


def _unknown_names(environment: Mapping[str, str | None]) -> list[str]:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    return [
        f"{name} is not a setting"
        for name in sorted(environment)
        if name.upper().startswith(PREFIX) and name.upper() not in known
    ]
