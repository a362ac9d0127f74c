"""Checks of the work itself: who may ask for it, who does it, and how long it waits."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from packshot.addresses import is_loopback
from packshot.backlog import Backlog
from packshot.doctor.findings import Finding, Patient, broken, not_seen, well, worth_a_look
from packshot.keys import Keys

LONG_SECONDS: Final = 300
SOON_DAYS: Final = 7
ANOTHER: Final = "Make another: packshot keys create NAME --scope admin"


async def check_access(patient: Patient) -> Finding:
    """See who is let in, and from where."""
    host = patient.settings.host
    if patient.ailment:
        return not_seen(patient, "")
    asked = patient.database if not patient.missing else None
    made = await Keys(asked).all() if asked else []
    working = [key for key in made if key["state"] == "active"]
    if working:
        return _lasting([key["expires_at"] for key in working])
    if made:
        return broken("every access key has ended, so nobody is let in", ANOTHER)
    if is_loopback(host):
        return well(f"no keys: {host} alone is let in")
    advice = "Make one: packshot keys create NAME --scope admin"
    return broken(f"no keys, so nothing will listen on {host}", advice)


def _lasting(ends: Sequence[datetime | None]) -> Finding:
    known = [end for end in ends if end is not None]
    if len(known) == len(ends) and max(known) - datetime.now(UTC) < timedelta(days=SOON_DAYS):
        return worth_a_look(f"the last access key ends at {max(known):%Y-%m-%d %H:%M} UTC", ANOTHER)
    return well(f"{len(ends)} access keys work")


async def check_workers(patient: Patient) -> Finding:
    """Look for workers that have been seen lately."""
    if patient.database is None or patient.missing:
        return not_seen(patient, "nobody has been here yet")
    summary = await Backlog(patient.database).summary()
    working = [worker for worker in summary["workers"] if worker["slots"]]
    if not working:
        return worth_a_look("none is running", "Start one: `packshot serve` or `packshot work`.")
    return well(f"{len(working)} with {sum(worker['slots'] for worker in working)} slots")


async def check_queue(patient: Patient) -> Finding:
    """See how long the first image in line has been waiting."""
    if patient.database is None or patient.missing:
        return not_seen(patient, "nothing waits")
    waits = (await Backlog(patient.database).summary())["oldest_due_seconds"]
    if waits > LONG_SECONDS:
        advice = "Add workers, or see in their log what keeps them."
        return worth_a_look(f"the oldest due image waits {waits / 60:.0f} minutes", advice)
    return well(f"the oldest due image waits {waits:.0f} s")
