"""What a check is given, and what it comes back with."""

from dataclasses import dataclass
from typing import Literal

from packshot.database import Database
from packshot.settings import Settings


@dataclass(frozen=True, slots=True)
class Patient:
    """The settings, and the database if there is one that can be opened; else `ailment` says why not.

    `missing` counts the migrations that it has not seen, `foreign` those that this program does not know.
    """

    settings: Settings
    database: Database | None = None
    ailment: str = ""
    missing: int = 0
    foreign: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, and what to do if that is not well."""

    verdict: Literal["ok", "warning", "broken"]
    found: str
    advice: str = ""


def well(found: str) -> Finding:
    """Say that all is well."""
    return Finding("ok", found)


def not_seen(patient: Patient, otherwise: str) -> Finding:
    """Say why nothing can be told: the database is away, or there is none yet."""
    if patient.ailment:
        return worth_a_look("cannot be told without the database", "")
    return well(otherwise)


def worth_a_look(found: str, advice: str) -> Finding:
    """Say that it works, and might be better."""
    return Finding("warning", found, advice)


def broken(found: str, advice: str = "") -> Finding:
    """Say that it does not work."""
    return Finding("broken", found, advice)
