"""Checks of this machine: its disk, its limits, and whether a decoder child can be shut in on it."""

import asyncio
import fcntl
import os
import resource
import shutil
import tempfile
from pathlib import Path
from typing import Final

from packshot.child import Child
from packshot.compress import WALLS
from packshot.doctor.findings import Finding, Patient, broken, well, worth_a_look
from packshot.presets import load_presets
from packshot.settings import Settings, cores

CONTROL_GROUP: Final = Path("/sys/fs/cgroup")
FEW_OPEN_FILES: Final = 4096
USUAL_CHILD_BYTES: Final = 400_000_000  # of a child with a picture of some 20 megapixels in hand
LITTLE_DISK_BYTES: Final = 2_000_000_000
OTHERS_MAY_WRITE: Final = 0o022


async def check_presets(patient: Patient) -> Finding:
    """Read the presets."""
    file = patient.settings.presets_file
    names = ", ".join(preset.name for preset in load_presets(file))
    return well(f"{names}, from {file or 'the program'}")


async def check_data_folder(patient: Patient) -> Finding:
    """Write a file into the data folder, lock it, and take it away again."""
    folder = patient.settings.data_dir.absolute()
    place = _nearest(folder)
    try:
        await asyncio.to_thread(_try_out, place)
    except OSError as error:
        return broken(
            f"{place}: {error.strerror}",
            f"Let the user {os.geteuid()} write there, or let PACKSHOT_DATA_DIR name another folder.",
        )
    if place != folder:
        return well(f"{folder} is made by the first start")
    if folder.stat().st_mode & OTHERS_MAY_WRITE:
        return worth_a_look(f"{folder} can be written by other users", f"chmod go-w {folder}")
    return well(f"{folder} takes files and locks")


async def check_disk(patient: Patient) -> Finding:
    """See how much room there is."""
    folder = _nearest(patient.settings.data_dir.absolute())
    free = shutil.disk_usage(folder).free
    if free < LITTLE_DISK_BYTES:
        advice = "Make room: downloads that do not fit go back to pending."
        return worth_a_look(f"{_gigabytes(free)} are free in {folder}", advice)
    return well(f"{_gigabytes(free)} are free")


async def check_open_files(_patient: Patient) -> Finding:
    """See how many files and connections a process may have open."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < FEW_OPEN_FILES:
        return worth_a_look(
            f"at most {most}", "Each client and download is one: raise the limit (LimitNOFILE=, ulimit -Hn)."
        )
    return well(f"up to {most:,}")


async def check_cores(patient: Patient) -> Finding:
    """Compare the cores that we see with those that a container may use."""
    seen, allowed = cores(), _allowed_cores()
    slots = patient.settings.workers
    if allowed < seen:
        return worth_a_look(
            f"{seen} are seen, but this container may use {allowed:g}",
            f"Pin it to fewer (cpuset), or set PACKSHOT_WORKERS={max(1, round(4 * allowed))}: 4 per core.",
        )
    return well(f"{seen}; {slots} images at once, {min(slots, seen)} on pixels")


async def check_memory(patient: Patient) -> Finding:
    """Compare what decoder children usually take with what there is."""
    there = _memory_bytes()
    children = min(patient.settings.workers, cores())
    wanted = children * min(USUAL_CHILD_BYTES, patient.settings.decode_memory_bytes)
    if wanted > there:
        return worth_a_look(
            f"{_gigabytes(there)} for {children} decoder children, which may want {_gigabytes(wanted)}",
            "Give it more, lower PACKSHOT_WORKERS, or PACKSHOT_MAX_PIXELS.",
        )
    return well(f"{_gigabytes(there)}, for {children} decoder children")


async def check_decoder(patient: Patient) -> Finding:
    """Start a child and ask which walls stand around it."""
    child = _child(patient.settings)
    try:
        greeting = await child.start()
    finally:
        await child.stop()
    missing = [wall for wall in WALLS if not greeting.get(wall)]
    found = f"libvips {greeting.get('libvips')}"
    if missing:
        return worth_a_look(
            f"{found}; missing: {', '.join(missing)}",
            "See docs/security.md: an older kernel lacks Landlock, and a container's profile may forbid it.",
        )
    return well(f"{found}, behind {' and '.join(WALLS[:2])}")


def _child(settings: Settings) -> Child:
    return Child(settings.decode_memory_bytes, settings.extra_formats, settings.decode_seconds, most_jobs=1)


def _nearest(folder: Path) -> Path:
    """Return the folder, or the one that it would be made in."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _try_out(folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"packshot")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fsync(file.fileno())


def _allowed_cores() -> float:
    """Return what the control group allows; without one, all of them."""
    try:
        quota, period = (CONTROL_GROUP / "cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):  # ValueError: "max"
        return cores()


def _memory_bytes() -> int:
    """Return the memory of the control group or, without a limit, of the machine."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(machine, int((CONTROL_GROUP / "memory.max").read_text()))
    except (OSError, ValueError):
        return machine


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"
