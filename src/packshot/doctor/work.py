"""Checks of the work itself: who may ask for it, who does it, and how long it waits."""

from typing import Final

from packshot.addresses import is_loopback
from packshot.backlog import Backlog
from packshot.doctor.findings import Finding, Patient, broken, not_seen, well, worth_a_look
from packshot.keys import Keys

LONG_SECONDS: Final = 300


async def check_access(patient: Patient) -> Finding:
    """See who is let in, and from where."""
    host = patient.settings.host
    if patient.ailment:
        return not_seen(patient, "")
    asked = patient.database if not patient.missing else None
    keys = len(await Keys(asked).usable()) if asked else 0
    if keys:
        return well(f"{keys} access keys work")
    if is_loopback(host):
        return well(f"no keys: {host} alone is let in")
    advice = "Make one: packshot keys create NAME --scope admin"
    return broken(f"no keys, so nothing will listen on {host}", advice)


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
