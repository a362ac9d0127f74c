"""
Access keys: how they are made, and their rows.

A key is `packshot_`, 32 random letters and digits, and six more that are a checksum of all before them: who
searches a leak can tell a real key from a made-up one without asking us. Its 190 random bits cannot be
guessed, so one SHA-256 is enough to keep it by; slow hashes are for passwords, which can. Only the prefix can
be read again. Which request needs which scope is not decided here; see `web/access`.
"""

import hashlib
import secrets
import string
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from packshot.database import Database, Row
from packshot.errors import NotFound

BEGINNING: Final = "packshot_"
RANDOM_CHARACTERS: Final = 32
CHECKSUM_CHARACTERS: Final = 6  # 62⁶ is more than CRC-32 has values
PREFIX_CHARACTERS: Final = 16  # the beginning and seven random ones: enough to tell keys apart
ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
COLUMNS: Final = """
    key_id, name, prefix, scope, requests_per_minute, created_at, expires_at, last_used_at, revoked_at,
    CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= now() THEN 'expired' ELSE 'active'
    END AS state"""
IS_USABLE: Final = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"


class Scope(StrEnum):
    """What a key is good for; each of them includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def covers(self, needed: "Scope") -> bool:
        """Tell whether who has this one may do what needs the other."""
        order = list(Scope)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request; `key_id` is None for who needs none."""

    key_id: int | None
    scope: Scope
    requests_per_minute: int | None = None

    @classmethod
    def of(cls, row: Row) -> Self:
        """Return who has the key of this row."""
        return cls(row["key_id"], Scope(row["scope"]), row["requests_per_minute"])


def make_secret() -> str:
    """Return a new key."""
    secret = BEGINNING + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARACTERS))
    return secret + checksum(secret)


def is_well_formed(secret: str) -> bool:
    """Tell whether this could be a key: whatever fails here was never one."""
    return (
        secret.startswith(BEGINNING)
        and len(secret) == len(BEGINNING) + RANDOM_CHARACTERS + CHECKSUM_CHARACTERS
        and secret[-CHECKSUM_CHARACTERS:] == checksum(secret[:-CHECKSUM_CHARACTERS])
    )


def checksum(text: str) -> str:
    """Return the CRC-32 of a text in letters and digits, as a secret scanner would work it out."""
    rest, digits = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM_CHARACTERS):
        rest, digit = divmod(rest, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def hash_of(secret: str) -> bytes:
    """Return what is stored of a key."""
    return hashlib.sha256(secret.encode()).digest()


class Keys:
    """The rows of access keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        name: str,
        scope: Scope,
        *,
        expires_in_seconds: float | None = None,
        requests_per_minute: int | None = None,
    ) -> tuple[str, Row]:
        """Store a new key; return the key itself, which nobody can read again, and its row."""
        secret = make_secret()
        sql = f"""
            INSERT INTO access_keys (name, prefix, sha256, scope, requests_per_minute, expires_at)
            VALUES ($1, $2, $3, $4, $5, now() + $6::float8 * interval '1 second')
            RETURNING {COLUMNS}"""  # noqa: S608 - our own words
        row = await self._database.fetch_row(
            sql,
            name,
            secret[:PREFIX_CHARACTERS],
            hash_of(secret),
            scope,
            requests_per_minute,
            expires_in_seconds,
        )
        assert row is not None  # noqa: S101 - RETURNING always returns
        return secret, row

    async def all(self) -> Sequence[Row]:
        """Return every key that ever was, oldest first, without what could be used."""
        return await self._database.fetch(f"SELECT {COLUMNS} FROM access_keys ORDER BY key_id")  # noqa: S608 - our own words

    async def were_made(self) -> bool:
        """Tell whether there ever was a key, whatever became of it."""
        row = await self._database.fetch_row("SELECT EXISTS (SELECT FROM access_keys) AS made")
        return row is not None and bool(row["made"])

    async def usable(self) -> Sequence[Row]:
        """Return the keys that work just now, with their hashes."""
        return await self._database.fetch(
            f"SELECT key_id, scope, requests_per_minute, sha256 FROM access_keys WHERE {IS_USABLE}"  # noqa: S608 - our own words
        )

    async def revoke(self, which: str) -> Row:
        """End a key for good, by its id, its prefix or all of it; raise NotFound. What is ended stays so."""
        sql = f"""
            UPDATE access_keys SET revoked_at = coalesce(revoked_at, now())
             WHERE prefix = $1 OR key_id::text = $1 RETURNING {COLUMNS}"""  # noqa: S608 - our own words
        row = await self._database.fetch_row(sql, which[:PREFIX_CHARACTERS])
        if row is None:
            raise NotFound(f"There is no access key {which[:PREFIX_CHARACTERS]!r}.")
        return row

    async def note_use(self, key_id: int) -> None:
        """Write down that the key was used, at most once a minute whoever asks."""
        await self._database.execute(
            "UPDATE access_keys SET last_used_at = now() WHERE key_id = $1"
            " AND (last_used_at IS NULL OR last_used_at < now() - interval '59 seconds')",
            key_id,
        )
