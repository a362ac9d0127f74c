"""
What a `kafka://` URL says.

`kafka://[user:password@]host:port[,host:port…]/topic`, and after `?` any of:

    group               packshot
    partitions          16, of a topic that we make
    security_protocol   PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL; without it SASL_SSL if there is a user
    sasl_mechanism      PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
    cafile              certificates to trust instead of the system's
    certfile, keyfile   who we are, for brokers that want to know
"""

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qsl, unquote

from packshot.server_urls import split_url

TOPIC: Final = "packshot.images"
GROUP: Final = "packshot"
PARTITIONS: Final = 16
CHOICES: Final = {
    "security_protocol": ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    "sasl_mechanism": ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
}
SERVER: Final = re.compile(r"(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?", re.IGNORECASE)
FILES: Final = frozenset({"cafile", "certfile", "keyfile"})
PARAMETERS: Final = FILES | {"group", "partitions", *CHOICES}


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """Where the brokers are, how to talk to them, and about what."""

    servers: tuple[str, ...]
    topic: str
    user: str | None
    password: str | None = field(repr=False)
    said: dict[str, str]

    @classmethod
    def read(cls, url: str) -> Self:
        """Read a URL; raise ValueError that says what is wrong, without the password."""
        parts = split_url(url)
        credentials, _, servers = parts.netloc.rpartition("@")
        user, _, password = credentials.partition(":")
        said = dict(parse_qsl(parts.query))
        if not all(map(SERVER.fullmatch, servers.split(","))):  # not quoted: it may be half a password
            raise ValueError("names no broker; write kafka://user:password@host:port/topic, with %2F for a /")
        _check(said)
        return cls(
            tuple(servers.split(",")),
            parts.path.strip("/") or TOPIC,
            unquote(user) or None,
            unquote(password) or None,
            said,
        )

    @property
    def group(self) -> str:
        """The consumer group that shares the work."""
        return self.said.get("group", GROUP)

    @property
    def partitions(self) -> int:
        """How many partitions a topic gets that we make: as many processes can take from it."""
        return int(self.said.get("partitions", PARTITIONS))

    def connection(self) -> dict[str, Any]:
        """Return what every client of aiokafka is told.

        Raises OSError for unreadable certificates, ValueError for a login without a name or a password.
        """
        protocol = self.said.get("security_protocol", "SASL_SSL" if self.user else "PLAINTEXT")
        if protocol.startswith("SASL") and not (self.user and self.password):
            raise ValueError(f"{protocol} needs a user and a password")
        return {
            "bootstrap_servers": list(self.servers),
            "security_protocol": protocol,
            "ssl_context": self._trust() if protocol.endswith("SSL") else None,
            "sasl_mechanism": self.said.get("sasl_mechanism", "PLAIN"),
            "sasl_plain_username": self.user,
            "sasl_plain_password": self.password,
        }

    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.said.get("cafile"))
        if certificate := self.said.get("certfile"):
            context.load_cert_chain(certificate, self.said.get("keyfile"))
        return context


def _check(said: dict[str, str]) -> None:
    if unknown := sorted(said.keys() - PARAMETERS):
        raise ValueError(f"{', '.join(unknown)}: unknown; there are {', '.join(sorted(PARAMETERS))}")
    for name, choices in CHOICES.items():
        if name in said and said[name] not in choices:
            raise ValueError(f"{name} is one of {', '.join(choices)}")
    for name in FILES & said.keys():
        Path(said[name]).read_bytes()  # ssl does not say which file is missing
    if not said.get("partitions", "1").isdecimal() or said.get("partitions") == "0":
        raise ValueError("partitions is a number from 1")
