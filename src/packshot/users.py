"""The queries about users."""

from packshot.database import Database, Row
from packshot.errors import NotFound


class Users:
    """Whom products belong to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self,
        name: str,
        mobile: str | None = None,
        latitude: float | None = None,
        longitude: float | None = None,
    ) -> Row:
        """Store a user and return the row."""
        sql = "INSERT INTO users (name, mobile, latitude, longitude) VALUES ($1, $2, $3, $4) RETURNING *"
        row = await self._database.fetch_row(sql, name, mobile, latitude, longitude)
        assert row is not None  # noqa: S101 - RETURNING always returns
        return row

    async def get(self, user_id: int) -> Row:
        """Return the row; raise NotFound."""
        row = await self._database.fetch_row("SELECT * FROM users WHERE id = $1", user_id)
        if row is None:
            raise NotFound(f"There is no user {user_id}.")
        return row

    async def all(self) -> list[Row]:
        """Return every user, oldest first."""
        return list(await self._database.fetch("SELECT * FROM users ORDER BY id"))

    async def add_first(self) -> None:
        """Create user 1 in an empty database, so that the first request has somebody to belong to."""
        async with self._database.locked("first user") as connection:
            await connection.execute(
                "INSERT INTO users (name) SELECT 'First user' WHERE NOT EXISTS (SELECT FROM users)"
            )
