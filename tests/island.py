"""
A network of its own, where everything that anybody sends is seen and nothing leaves.

    unshare --net --mount python -m tests.island < tries.json > seen.json

Run as a process inside new namespaces. The loopback device gets our public addresses (OWN) and the
default routes, so that packets to anywhere pass it; a packet socket on it is the canary. Names come
from a server of our own. Each try is a URL and what is allowed; the answer has the code with which
it ended, the addresses that packets went to, and the names that the DNS was asked for.
"""

import asyncio
import ctypes
import json
import os
import socket
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from fcntl import ioctl
from ipaddress import ip_address
from pathlib import Path
from typing import Final, TypedDict

from tests.fetching import downloader
from tests.forbidden import HOSTS, OWN, ZONE
from tests.nameserver import NameServer
from tests.supplier import PICTURE, Supplier

from packshot.errors import ImageError

NAME_SERVER: Final = "127.0.0.53"
FRIEND: Final = "127.0.0.2"  # a server that redirects; its packets are not the canary's business
SENT: Final = "sent"  # instead of a code: the download was stopped because it had sent something
FILES: Final = {
    "/etc/resolv.conf": f"nameserver {NAME_SERVER}\nsearch search.example\noptions ndots:3\n",
    "/etc/nsswitch.conf": "hosts: files dns\n",
    "/etc/hosts": HOSTS,
}

# From linux/sockios.h, linux/if.h, linux/route.h, sys/mount.h, linux/if_ether.h
SIOCADDRT: Final = 0x890B
SIOCSIFFLAGS: Final = 0x8914
SIOCSIFADDR: Final = 0x8916
SIOCSIFNETMASK: Final = 0x891C
UP: Final = 0x1
MS_BIND: Final = 4096
EVERY_PROTOCOL: Final = 3
PACKET_BYTES: Final = 65_536
EVERYWHERE: Final = 0  # 0.0.0.0/0 and ::/0
LOOPBACK: Final = 1  # the number of the device


class Try(TypedDict):
    """A URL, and what PACKSHOT_ALLOW_SOURCES says meanwhile."""

    url: str
    allowed: list[str]


class Seen(TypedDict):
    code: str
    message: str
    packets_to: list[str]
    asked: list[str]


def configure(family: socket.AddressFamily, request: int, argument: bytes) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as any_socket:
        ioctl(any_socket, request, argument)


def name_device(label: bytes, address: str) -> bytes:
    return struct.pack("16sH2x4s8x", label, socket.AF_INET, socket.inet_aton(address))


def raise_network() -> None:
    configure(socket.AF_INET, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", UP))
    for label, address in ((b"lo:1", OWN[0]), (b"lo:2", OWN[1])):
        configure(socket.AF_INET, SIOCSIFADDR, name_device(label, address))
        configure(socket.AF_INET, SIOCSIFNETMASK, name_device(label, "255.255.255.254"))
    configure(socket.AF_INET6, SIOCSIFADDR, struct.pack("@16sIi", ip_address(OWN[2]).packed, 128, LOOPBACK))


def route_everything() -> None:
    device = ctypes.create_string_buffer(b"lo")
    anywhere = struct.pack("H14x", socket.AF_INET)
    rest = struct.pack("@HhLPhPLLH", UP, 0, 0, 0, 0, ctypes.addressof(device), 0, 0, 0)
    configure(socket.AF_INET, SIOCADDRT, struct.pack("@L", 0) + anywhere * 3 + rest)
    route = struct.pack("@48xIHHILIi", 0, EVERYWHERE, 0, 1, 0, UP, LOOPBACK)
    configure(socket.AF_INET6, SIOCADDRT, route)


def replace_files() -> None:
    """Put our own over those of the machine, in this mount namespace only."""
    libc = ctypes.CDLL(None, use_errno=True)
    for path, text in FILES.items():
        if not Path(path).exists():
            continue
        with tempfile.NamedTemporaryFile("w") as ours:  # the mount stays when its name is gone
            ours.write(text)
            ours.flush()
            Path(ours.name).chmod(0o644)
            target = os.path.realpath(path).encode()
            if libc.mount(ours.name.encode(), target, None, MS_BIND, None):
                raise OSError(ctypes.get_errno(), f"{path} cannot be replaced")


def open_canary() -> socket.socket:
    canary = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(EVERY_PROTOCOL))
    canary.setblocking(False)
    return canary


def went_to(packet: bytes) -> str | None:
    """Where a packet went; None if it is one of the tests' own servers'."""
    four = packet[0] >> 4 == 4
    source, target = (packet[12:16], packet[16:20]) if four else (packet[8:24], packet[24:40])
    ends = str(ip_address(source)), str(ip_address(target))
    return None if {NAME_SERVER, FRIEND} & {*ends} else ends[1]


async def first_packet(canary: socket.socket) -> str:
    while not (address := went_to(await asyncio.get_running_loop().sock_recv(canary, PACKET_BYTES))):
        pass
    return address


def other_packets(canary: socket.socket) -> Iterator[str]:
    """Where the packets went that nobody has looked at."""
    with suppress(BlockingIOError):
        while True:
            if address := went_to(canary.recv(PACKET_BYTES)):
                yield address


async def attempt(one: Try, canary: socket.socket, names: NameServer) -> Seen:
    """Go on with a download until it ends or anything is sent."""
    names.asked.clear()
    async with downloader(allow_sources=one["allowed"], download_seconds=30) as ours:
        download = asyncio.create_task(ours.download(one["url"], Path(os.devnull)))
        sent = asyncio.create_task(first_packet(canary))
        await asyncio.wait({download, sent}, return_when=asyncio.FIRST_COMPLETED)
        download.cancel()
        sent.cancel()
        error, first = await asyncio.gather(download, sent, return_exceptions=True)
    addresses = {*other_packets(canary), *([first] if isinstance(first, str) else [])}
    code = error.code if isinstance(error, ImageError) else SENT
    return Seen(code=code, message=str(error), packets_to=sorted(addresses), asked=[*names.asked])


async def attempt_all(tries: list[Try]) -> list[Seen]:
    canary = open_canary()
    async with (
        NameServer(NAME_SERVER, ZONE) as names,
        Supplier(address=FRIEND, port=80),
        Supplier(address=OWN[0], port=80, files={"/shoe.jpg": PICTURE}),
        Supplier(address="127.0.0.1", port=80, files={"/shoe.jpg": PICTURE}),
    ):
        return [await attempt(one, canary, names) for one in tries]


if __name__ == "__main__":
    raise_network()
    route_everything()
    replace_files()
    json.dump(asyncio.run(attempt_all(json.load(sys.stdin))), sys.stdout)
