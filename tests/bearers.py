"""Who has a key, and shows it."""

from typing import Final

from packshot.database import Database
from packshot.keys import Keys, Scope

BEYOND: Final = 2_147_000_000  # an id that nobody who tries some comes upon


def bearer(secret: str) -> dict[str, str]:
    """The header that shows a key."""
    return {"Authorization": f"Bearer {secret}"}


async def admin_beyond_reach(database: Database) -> dict[str, str]:
    """The header of an admin whose key is not revoked by chance."""
    secret, row = await Keys(database).create("Tester", Scope.ADMIN)
    await database.execute(
        "UPDATE access_keys SET key_id = $1 WHERE key_id = $2", BEYOND + row["key_id"], row["key_id"]
    )
    return bearer(secret)
