"""
A store in a bucket: S3 and what speaks its protocol; Google Cloud Storage and Azure by the same library.

Nothing is tried for long: an operation ends within `SECONDS`, and then the image waits for better times.
What the other side says is not repeated but for its code, because S3 answers a wrong signature with all
that was signed, and a signed address is a key.
"""

import re
from asyncio import timeout
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from packshot.errors import ConfigError, NotFound, ServiceUnavailable
from packshot.models import StoredFile
from packshot.stores.keys import checked
from packshot.stores.profile import find_profile

SECONDS: Final = 15
CONNECT_SECONDS: Final = 4
TRIES_AGAIN: Final = 3  # a 5xx or a broken connection; a wait that was too long is not repeated
URL_LIFETIME: Final = timedelta(hours=1)
FOR_EVER: Final = "public, max-age=31536000, immutable"

OPTIONS: Final = frozenset(
    {"endpoint", "path_style", "region", "request_payer", "server_side_encryption", "sse_kms_key_id"}
)
TRUTHS: Final = {"true": True, "false": False}
ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")

# What is safe to repeat: the status, the service's code, and the operating system's words.
REASON: Final = re.compile(
    r"status code: (\d{3} [A-Z][A-Za-z ]+)|<Code>(\w+)</Code>"
    r"|(?:message|error): \"([\w ,.:'()-]+)\"|(TimedOut)"
)
ROLE_ASKED: Final = re.compile(r"/latest/(?:api/token|meta-data)")  # who knows nothing else asks the machine
NO_BUCKET: Final = re.compile("NoSuchBucket|ContainerNotFound|bucket does not exist")


class S3Store:
    """Keeps `key` as `prefix/key` in a bucket."""

    def __init__(self, url: str, environment: Mapping[str, str], seconds: float = SECONDS) -> None:
        parts = urlsplit(url)
        self._url = parts._replace(path=parts.path.rstrip("/"), query="", fragment="").geturl()
        self._seconds = seconds
        self._bucket = _open_bucket(self._url, _read_options(parts), environment, seconds)

    async def put(self, key: str, file: Path, content_type: str) -> None:
        """Upload in one request: either all of it arrives or nothing, and no parts are left behind."""
        attributes: dict[str, str] = {"Content-Type": content_type, "Cache-Control": FOR_EVER}
        async with self._translated():
            await obstore.put_async(
                self._bucket, checked(key), file, attributes=attributes, use_multipart=False
            )

    async def get(self, key: str) -> bytes:
        """Read the whole file."""
        async with self._translated():
            try:
                found = await obstore.get_async(self._bucket, checked(key))
            except FileNotFoundError as error:
                if NO_BUCKET.search(str(error)):
                    raise
                raise NotFound(f"The store has no file {key}.") from None
            return bytes(await found.bytes_async())

    async def delete(self, key: str) -> None:
        """Remove the file."""
        async with self._translated():
            try:
                await obstore.delete_async(self._bucket, checked(key))
            except FileNotFoundError as error:
                if NO_BUCKET.search(str(error)):
                    raise

    async def url(self, key: str) -> str:
        """Sign an address; nobody is asked whether there is such a file."""
        async with self._translated():
            return await obstore.sign_async(self._bucket, "GET", checked(key), URL_LIFETIME)

    def location(self, key: str) -> str:
        """Return `s3://bucket/prefix/key`."""
        return f"{self._url}/{checked(key)}"

    async def keys(self) -> AsyncIterator[StoredFile]:
        """Ask for a thousand at a time, in their order."""
        pages = obstore.list(self._bucket, chunk_size=1000)
        while True:
            async with self._translated():
                page = await anext(pages, None)
            if page is None:
                return
            for found in page:
                yield StoredFile(found["path"], found["size"], found["last_modified"])

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        try:
            async with timeout(self._seconds):
                yield
        except TimeoutError:
            raise self._unavailable(f"no answer within {self._seconds} seconds") from None
        except (BaseError, OSError) as error:  # some of obstore's errors are Python's own
            raise self._unavailable(_reason(error)) from None

    def _unavailable(self, reason: str) -> ServiceUnavailable:
        return ServiceUnavailable(f"The store {self._url} cannot be used: {reason}")


def _reason(error: Exception) -> str:
    """Say what went wrong in words without secrets; the library's own are long and repeat everything."""
    if ROLE_ASKED.search(str(error)):
        return "there are no keys in the environment or a profile, and this machine has no role"
    found = ["".join(groups).strip() for groups in REASON.findall(str(error))]
    return ", ".join(dict.fromkeys(found)) or "the connection failed"


def _read_options(parts: SplitResult) -> dict[str, str]:
    """Read `?region=…&endpoint=…`; raise ConfigError, which does not repeat values."""
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    allowed = OPTIONS if parts.scheme == "s3" else frozenset()
    if not parts.netloc or "@" in parts.netloc or parts.fragment:
        raise ConfigError(f"PACKSHOT_STORE_URL: use {parts.scheme}://bucket/prefix, without a login.")
    if unknown := sorted(options.keys() - allowed):
        raise ConfigError(
            f"PACKSHOT_STORE_URL: there is no option {', '.join(unknown)}; there are"
            f" {', '.join(sorted(allowed)) or 'none'}. Keys come from the environment or a profile."
        )
    if options.get("path_style", "true") not in TRUTHS:
        raise ConfigError("PACKSHOT_STORE_URL: path_style is true or false.")
    return options


def _open_bucket(url: str, options: dict[str, str], environment: Mapping[str, str], seconds: float) -> Any:  # noqa: ANN401 - one of three classes
    config: Any = {}
    keys: Any = None
    if url.startswith("s3:"):
        config, keys = _configure_s3(url, options, environment)
    try:
        return from_url(
            url,
            config=config,
            client_options=_client_options(config, environment, seconds),
            retry_config=_retries(seconds),
            credential_provider=keys,
        )
    except (BaseError, ValueError) as error:
        raise ConfigError(f"PACKSHOT_STORE_URL: {url} cannot be opened: {_reason(error)}") from None


def _configure_s3(url: str, options: dict[str, str], environment: Mapping[str, str]) -> tuple[Any, Any]:
    """Put together what the address, the environment and the profile say, in this order of precedence."""
    profile = find_profile(environment)
    said = profile.read() if profile else {}
    config: dict[str, Any] = {
        "disable_bulk_delete": True
    }  # not everybody has it, and a single one is as good
    if not any(environment.get(name) for name in REGIONS) and "region" in said:
        config["region"] = said["region"]
    if not any(environment.get(name) for name in ENDPOINTS) and "endpoint_url" in said:
        config["endpoint"] = said["endpoint_url"]
    config |= {name: value for name, value in options.items() if name != "path_style"}
    if not TRUTHS[options.get("path_style", "true")]:
        config["virtual_hosted_style_request"] = True
        if "endpoint" in config:
            config["endpoint"] = config["endpoint"].replace("://", f"://{urlsplit(url).netloc}.", 1)
    return config, profile.keys if profile else None


def _client_options(config: Mapping[str, Any], environment: Mapping[str, str], seconds: float) -> Any:  # noqa: ANN401 - obstore's shape has no name at run time
    endpoint = config.get("endpoint") or next((environment[n] for n in ENDPOINTS if environment.get(n)), "")
    return {
        "allow_http": endpoint.startswith("http://"),  # who writes http means it
        "connect_timeout": timedelta(seconds=min(CONNECT_SECONDS, seconds)),
        "timeout": timedelta(seconds=seconds),
    }


def _retries(seconds: float) -> Any:  # noqa: ANN401 - likewise
    return {
        "max_retries": TRIES_AGAIN,
        "retry_timeout": timedelta(seconds=seconds * 2 / 3),
        "backoff": {
            "init_backoff": timedelta(milliseconds=100),
            "max_backoff": timedelta(seconds=2),
            "base": 2,
        },
    }
