"""A lifeline for tests of what runs in the background, where the database is never away."""

from packshot.lifeline import Lifeline


async def _answers() -> None:
    """Find nothing wrong with the database."""


def a_lifeline() -> Lifeline:
    return Lifeline(_answers, "db.example:5432/packshot")
