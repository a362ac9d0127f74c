"""What runs in the background goes on after any trouble, and the log tells of an outage once."""

import asyncio
import logging

import pytest

from packshot import lifeline
from packshot.errors import NotFound, ServiceUnavailable
from packshot.lifeline import Lifeline

LOOPS = ("sweep", "counting", "news")
SERVER = "db.example:5432/packshot"
AWAY = "The database does not answer: no route to host"


class Patient:
    """A database that is away for a while; each time that it is asked, a second goes by."""

    def __init__(self) -> None:
        self.seconds = 0
        self.away_until = 0

    async def check(self) -> None:
        await asyncio.sleep(0)
        self.seconds += 1
        if self.seconds <= self.away_until:
            raise ServiceUnavailable(AWAY)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Patient:
    patient = Patient()
    monkeypatch.setattr(lifeline, "monotonic", lambda: patient.seconds)
    monkeypatch.setattr(lifeline, "ASK_SECONDS", 0)
    monkeypatch.setattr(lifeline, "TROUBLE_SECONDS", 0)
    caplog.set_level(logging.INFO)
    return patient


@pytest.fixture
def held(patient: Patient) -> Lifeline:
    return Lifeline(patient.check, SERVER)


async def fail(
    held: Lifeline, what: str = "sweep", error: type[Exception] = ServiceUnavailable, turns: int = 0
) -> None:
    """Run into trouble some turns of the event loop later."""
    async with held.surviving(what, delivery_id=7):
        for _ in range(turns):
            await asyncio.sleep(0)
        raise error(AWAY)


async def an_outage(held: Lifeline, patient: Patient, seconds: int) -> None:
    """Let all loops run into one, each a little later than the one before."""
    patient.away_until = patient.seconds + seconds
    await asyncio.gather(*(fail(held, what, turns=number) for number, what in enumerate(LOOPS)))


async def test_an_outage_is_told_once_when_it_begins_and_once_when_it_ends(
    held: Lifeline, patient: Patient, caplog: pytest.LogCaptureFixture
) -> None:
    await an_outage(held, patient, 11)

    assert [(line.levelname, line.message) for line in caplog.records] == [
        ("WARNING", "the database is away"),
        ("INFO", "the database is back"),
    ]


async def test_an_outage_names_its_server_and_why_and_how_long_it_took(
    held: Lifeline, patient: Patient, caplog: pytest.LogCaptureFixture
) -> None:
    await an_outage(held, patient, 11)

    away, back = (vars(line) for line in caplog.records)
    assert (away["server"], away["reason"]) == (SERVER, AWAY)
    assert (back["server"], back["seconds"]) == (SERVER, 12)


async def test_a_database_that_is_away_is_asked_by_one_for_all(held: Lifeline, patient: Patient) -> None:
    await an_outage(held, patient, 11)

    assert patient.seconds == 12


async def test_what_an_outage_broke_is_not_told_of_after_its_end(
    held: Lifeline, patient: Patient, caplog: pytest.LogCaptureFixture
) -> None:
    slow = asyncio.create_task(fail(held, "counting", turns=100))
    await an_outage(held, patient, 1)
    await slow

    assert [line.message for line in caplog.records] == ["the database is away", "the database is back"]


async def test_the_next_outage_is_told_again(
    held: Lifeline, patient: Patient, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        await an_outage(held, patient, 1)

    assert [line.message for line in caplog.records].count("the database is away") == 2


@pytest.mark.usefixtures("patient")
async def test_trouble_that_is_not_the_databases_is_told_by_whoever_has_it(
    held: Lifeline, caplog: pytest.LogCaptureFixture
) -> None:
    for error in (ServiceUnavailable, NotFound):
        await fail(held, "webhook", error)

    told = [(line.message, vars(line)["reason"], vars(line)["delivery_id"]) for line in caplog.records]
    assert told == [("webhook postponed", AWAY, 7)] * 2


async def test_a_bug_is_worth_a_traceback(held: Lifeline, caplog: pytest.LogCaptureFixture) -> None:
    await fail(held, "sweep", ZeroDivisionError)

    assert [(line.message, bool(line.exc_info)) for line in caplog.records] == [("sweep failed", True)]


@pytest.mark.usefixtures("patient")
async def test_a_database_without_our_tables_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def find_nothing() -> None:
        raise LookupError("relation schema_migrations does not exist")

    await fail(Lifeline(find_nothing, SERVER))

    assert [line.levelname for line in caplog.records] == ["ERROR", "WARNING"]
