"""
The walls around a decoder child: limits, no files, no network, no other processes.

`confine()` is called once, by a process with a single thread that has loaded all it needs and knows
no way back. From then on it owns what it has: the descriptors that are handed to it, its memory, its
processor time. It can open no file, make no socket, start no program and signal nobody.

Two walls of Linux say so, each in its own way:

    seccomp    a list of the system calls that decoding pictures needs; all others fail with EPERM
    Landlock   no file may be opened and no TCP connection made, whatever the call is named

Either is enough for files. Against the network seccomp is the wall: Landlock knows nothing of UDP and of
sockets that are files. A kernel without one of them, or a container that forbids it, leaves the other.
`Walls` says what is in force, for the log: a wall that is silently missing would be worse than none.

Libraries for this exist, but each is a wrapper of a system library that a slim machine lacks; what is
needed is two system calls and a table. Numbers: linux/landlock.h, linux/seccomp.h, linux/filter.h and
the tables of system calls of x86-64 and arm64.
"""

import ctypes
import os
import platform
import resource
import signal
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOST_OPEN_FILES: Final = 256  # a job hands over one source and a file for each rendition
MOST_FILE_BYTES: Final = 200_000_000  # no rendition comes near it

NOBODY: Final = 65_534
DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG
SET_SECCOMP: Final = 22
FILTER: Final = 2
NO_NEW_PRIVILEGES: Final = 38

LANDLOCK_CREATE_RULESET: Final = 444  # the same number on every machine, as all newer calls
LANDLOCK_RESTRICT_SELF: Final = 446
LANDLOCK_VERSION: Final = 1
FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 5: 16}  # version -> how many bits; those in between add none
NET_SINCE: Final = 4
NET_RIGHTS: Final = 0b11  # bind and connect
SCOPES_SINCE: Final = 6
SCOPES: Final = 0b11  # abstract sockets and signals

# What an instruction of the filter does: load a word; jump if equal, greater or equal, any bit set; return.
LOAD, IF_EQUAL, IF_NOT_LESS, IF_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
AT_NUMBER: Final = 0
AT_ARCHITECTURE: Final = 4
AT_ARGUMENTS: Final = 16  # eight bytes each, the lower half first
ALLOW: Final = 0x7FFF_0000
REFUSE: Final = 0x0005_0000 | 1  # EPERM
UNKNOWN: Final = 0x0005_0000 | 38  # ENOSYS: the C library then takes the older call
X32: Final = 0x4000_0000  # a second set of numbers on x86-64

# name: number on x86-64, number on arm64
CALLS: Final = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "poll": (7, 73),  # arm64 has ppoll alone
    "lseek": (8, 62),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pread64": (17, 67),
    "select": (23, 72),  # arm64 has pselect6 alone
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "getpid": (39, 172),
    "recvmsg": (47, 212),
    "exit": (60, 93),
    "uname": (63, 160),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "pselect6": (270, 72),
    "ppoll": (271, 73),
    "set_robust_list": (273, 99),
    "getcpu": (309, 168),
    "getrandom": (318, 278),
    "rseq": (334, 293),
}
CLONE: Final = (56, 220)
CLONE3: Final = 435  # its arguments lie in memory, where the filter cannot look
A_THREAD: Final = 0x0001_0000  # CLONE_THREAD: of this process, not a new one
MAPS: Final = ((9, 222), (10, 226))  # mmap, mprotect
EXECUTABLE: Final = 4  # PROT_EXEC: no new code

ARCHITECTURES: Final = {"x86_64": (0, 0xC000_003E), "aarch64": (1, 0xC000_00B7)}


@dataclass(frozen=True, slots=True)
class Walls:
    """What is in force: Landlock in that version (0 for none), seccomp, and that we are not root."""

    landlock: int
    seccomp: bool
    unprivileged: bool


def confine(memory_bytes: int, cpu_seconds: int) -> Walls:
    """Shut this process in for ever, and say how well.

    Raises OSError when even the limits cannot be set, RuntimeError when other threads run already:
    they would stay outside.
    """
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("only a process with a single thread can be shut in")
    is_nobody = _become_nobody()  # before the following, which a change of user would undo
    libc = ctypes.CDLL(None, use_errno=True)
    for setting, value in ((DIE_WITH_PARENT, signal.SIGKILL), (NO_NEW_PRIVILEGES, 1)):
        if libc.prctl(setting, value, 0, 0, 0):
            raise OSError(ctypes.get_errno(), f"prctl {setting} is refused")
    _limit(memory_bytes, cpu_seconds)
    return Walls(_close_files(libc), _close_calls(libc), is_nobody)


def _become_nobody() -> bool:
    """Give up being root; say whether we are not."""
    if os.geteuid() == 0:
        with suppress(OSError):  # where numbers of users are not mapped, as in some containers
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
    return os.geteuid() != 0


def _limit(memory_bytes: int, cpu_seconds: int) -> None:
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_FSIZE: MOST_FILE_BYTES,
        resource.RLIMIT_NOFILE: MOST_OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for what, wanted in limits.items():
        hard = resource.getrlimit(what)[1]
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(what, (most, most))


def _close_files(libc: ctypes.CDLL) -> int:
    """Give up every right that this kernel's Landlock knows; return its version, or 0."""
    version: int = libc.syscall(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_VERSION)
    if version < 1:
        return 0
    bits = max(bits for since, bits in FILE_RIGHTS.items() if since <= version)
    rights = [(1 << bits) - 1]
    if version >= NET_SINCE:
        rights.append(NET_RIGHTS)
    if version >= SCOPES_SINCE:
        rights.append(SCOPES)
    wanted = struct.pack(f"={len(rights)}Q", *rights)
    rules = libc.syscall(LANDLOCK_CREATE_RULESET, wanted, len(wanted), 0)
    if rules < 0:
        return 0
    refused = libc.syscall(LANDLOCK_RESTRICT_SELF, rules, 0)
    os.close(rules)
    return 0 if refused else version


def _close_calls(libc: ctypes.CDLL) -> bool:
    """Refuse all system calls but those of `CALLS`; False where there is no seccomp for this machine."""
    if (machine := platform.machine()) not in ARCHITECTURES:
        return False
    program = list(_program(*ARCHITECTURES[machine]))
    code = ctypes.create_string_buffer(b"".join(program))
    described = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    return bool(libc.prctl(SET_SECCOMP, FILTER, described, 0, 0) == 0)


def _program(column: int, architecture: int) -> Iterator[bytes]:
    """The filter, an instruction at a time; what is not allowed on the way is refused at the end."""
    yield _do(LOAD, AT_ARCHITECTURE)
    yield _do(IF_EQUAL, architecture, then=1)
    yield _do(RETURN, REFUSE)
    yield _do(LOAD, AT_NUMBER)
    yield from _if(IF_NOT_LESS, X32, _do(RETURN, REFUSE))
    for numbers in CALLS.values():
        yield from _if(IF_EQUAL, numbers[column], _do(RETURN, ALLOW))
    yield from _if(IF_EQUAL, CLONE3, _do(RETURN, UNKNOWN))
    yield from _if(IF_EQUAL, CLONE[column], *_by_argument(0, A_THREAD, ALLOW, REFUSE))
    for numbers in MAPS:
        yield from _if(IF_EQUAL, numbers[column], *_by_argument(2, EXECUTABLE, REFUSE, ALLOW))
    yield _do(RETURN, REFUSE)


def _if(test: int, value: int, *body: bytes) -> tuple[bytes, ...]:
    return _do(test, value, otherwise=len(body)), *body


def _by_argument(place: int, bits: int, answer: int, otherwise: int) -> tuple[bytes, ...]:
    """Answer by whether any of the bits is set in an argument of the call."""
    loaded = _do(LOAD, AT_ARGUMENTS + 8 * place)
    return loaded, *_if(IF_ANY_BIT, bits, _do(RETURN, answer)), _do(RETURN, otherwise)


def _do(what: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    """One instruction; a jump skips as many of the following ones as it says."""
    return struct.pack("=HBBI", what, then, otherwise, value)
