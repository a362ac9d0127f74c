"""What a process can still do once it is shut in: nothing but work on what it was given."""

import ctypes
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

# Tries things that a hijacked decoder would try, and tells how each ended.
PRISONER: Final = """
import ctypes, errno, fcntl, json, mmap, os, resource, socket, sys, threading
import packshot.sandbox as sandbox

folder, parent, only, *wanted = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
if only == "landlock":
    sandbox._close_calls = lambda libc: False
if only == "seccomp":
    sandbox._close_files = lambda libc: 0
libc = ctypes.CDLL(None, use_errno=True)
already_open = os.open(folder + "/mine", os.O_RDONLY)
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
made_before = socket.socket()
walls = sandbox.confine(1_000_000_000, 60)

def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")

TRIES = {
    "read a file": lambda: os.open(folder + "/secret", os.O_RDONLY),
    "read the users": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "read the parent's environment": lambda: os.open(f"/proc/{parent}/environ", os.O_RDONLY),
    "write a file": lambda: os.open(folder + "/new", os.O_WRONLY | os.O_CREAT),
    "open its own file again": lambda: os.open(f"/proc/self/fd/{already_open}", os.O_RDONLY),
    "list a folder": lambda: os.listdir(folder),
    "delete a file": lambda: os.unlink(folder + "/secret"),
    "rename a file": lambda: os.rename(folder + "/secret", folder + "/moved"),
    "limit itself": lambda: resource.setrlimit(resource.RLIMIT_CPU, (60, 60)),
    "make a link": lambda: os.symlink("/etc/passwd", folder + "/link"),
    "make a folder": lambda: os.mkdir(folder + "/folder"),
    "connect": lambda: made_before.connect(("127.0.0.1", port)),
    "make a socket": lambda: socket.socket(),
    "make a unix socket": lambda: socket.socket(socket.AF_UNIX),
    "make a raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "fork": os.fork,
    "run a program": lambda: os.execv("/bin/true", ["true"]),
    "signal its parent": lambda: os.kill(parent, 0),
    "trace its parent": lambda: call(101, 16, parent, 0, 0),
    "limit its parent": lambda: resource.prlimit(parent, resource.RLIMIT_CORE, (0, 0)),
    "raise its own limits": lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)),
    "make memory executable": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC),
    "unshare": lambda: call(272, 0x10000000),
    "use a 32-bit number": lambda: call(0x40000000 + 2, b"/etc/passwd", 0),
    "use io_uring": lambda: call(425, 8, ctypes.create_string_buffer(120)),
    "load a program into the kernel": lambda: call(321, 0, ctypes.create_string_buffer(128), 128),
    "change its user": lambda: os.setuid(65534),
    "outlive its parent": lambda: call(157, 1, 0, 0, 0, 0),
    "read what it was given": lambda: os.pread(already_open, 10, 0),
    "take memory": lambda: bytearray(50_000_000),
    "start a thread": lambda: threading.Thread(target=int).start(),
}

def attempt(deed):
    try:
        deed()
    except OSError as error:
        return errno.errorcode[error.errno]
    except (ValueError, MemoryError) as error:
        return type(error).__name__
    return "done"

ends = {deed: attempt(TRIES[deed]) for deed in wanted}
os.write(1, json.dumps([walls.landlock, walls.seccomp, walls.unprivileged, os.geteuid(), ends]).encode())
os._exit(0)
"""
HARMLESS: Final = ("read what it was given", "take memory", "start a thread")
OF_FILES: Final = (
    "read a file",
    "read the users",
    "read the parent's environment",
    "write a file",
    "open its own file again",
    "list a folder",
    "delete a file",
    "rename a file",
    "make a link",
    "make a folder",
)
OTHERS: Final = (
    "connect",
    "make a socket",
    "make a unix socket",
    "make a raw socket",
    "fork",
    "run a program",
    "signal its parent",
    "trace its parent",
    "limit its parent",
    "raise its own limits",
    "limit itself",
    "make memory executable",
    "unshare",
    "use a 32-bit number",
    "use io_uring",
    "load a program into the kernel",
    "change its user",
    "outlive its parent",
)


def walls_are_to_be_had() -> bool:
    landlock = ctypes.CDLL(None).syscall(444, None, 0, 1)
    return bool(landlock > 0 and platform.machine() == "x86_64")  # the numbers above are this machine's


if not walls_are_to_be_had() and "CI" not in os.environ:
    pytest.skip("THIS KERNEL HAS NO LANDLOCK: the walls are not tested", allow_module_level=True)


@pytest.fixture(scope="module", params=["both", "seccomp", "landlock"])
def prisoner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """How each try ended, behind both walls or one of them."""
    folder = tmp_path_factory.mktemp("cell")
    (folder / "mine").write_text("given")
    (folder / "secret").write_text("not yours")
    deeds = OF_FILES + HARMLESS + (("connect",) if request.param == "landlock" else OTHERS)
    command = (sys.executable, "-c", PRISONER, str(folder), str(os.getpid()), request.param, *deeds)
    told = subprocess.check_output(command, timeout=30)  # noqa: S603 - the text above
    facts = dict(zip(("landlock", "seccomp", "unprivileged", "user", "ends"), json.loads(told), strict=True))
    return {"walls": request.param, "folder": folder, **facts}


def test_the_walls_that_stand_are_told(prisoner: dict[str, Any]) -> None:
    assert bool(prisoner["landlock"]) == (prisoner["walls"] != "seccomp")
    assert prisoner["seccomp"] == (prisoner["walls"] != "landlock")


def test_nobody_is_root_behind_the_walls(prisoner: dict[str, Any]) -> None:
    assert prisoner["unprivileged"]
    assert prisoner["user"] != 0


@pytest.mark.parametrize("deed", OF_FILES)
def test_either_wall_keeps_files_out_of_reach(prisoner: dict[str, Any], deed: str) -> None:
    assert prisoner["ends"][deed] in ("EPERM", "EACCES")


@pytest.mark.parametrize("prisoner", ["landlock"], indirect=True)
def test_landlock_alone_keeps_it_from_servers(prisoner: dict[str, Any]) -> None:
    assert prisoner["ends"]["connect"] == "EACCES"


@pytest.mark.parametrize("prisoner", ["both", "seccomp"], indirect=True)
@pytest.mark.parametrize("deed", OTHERS)
def test_no_other_call_gets_through(prisoner: dict[str, Any], deed: str) -> None:
    assert prisoner["ends"][deed] in ("EPERM", "ValueError")  # the latter when Python translates a limit


@pytest.mark.parametrize("deed", HARMLESS)
def test_work_goes_on_behind_the_walls(prisoner: dict[str, Any], deed: str) -> None:
    assert prisoner["ends"][deed] == "done"


def test_nothing_has_happened_to_the_files(prisoner: dict[str, Any]) -> None:
    left = {path.name: path.read_text() for path in Path(prisoner["folder"]).iterdir()}

    assert left == {"mine": "given", "secret": "not yours"}


def test_a_process_with_threads_cannot_be_shut_in() -> None:
    code = """
import threading
from packshot.sandbox import confine
threading.Thread(target=threading.Event().wait, daemon=True).start()
try:
    confine(10**9, 60)
except RuntimeError as error:
    print(error)
"""
    said = subprocess.check_output([sys.executable, "-c", code], text=True)  # noqa: S603 - the text above

    assert said == "only a process with a single thread can be shut in\n"
