"""
A name server of our own, over UDP, that says what the tests want the DNS to say.

    zone = {"shop.example": ["8.8.8.8", "10.0.0.1 ::1"], "www.shop.example": ["@shop.example"]}

A name has answers to one lookup after the other, the last one for ever; an answer is addresses, or
another name behind an @ (CNAME). Nothing may be remembered (TTL 0). Other names do not exist.
"""

import asyncio
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, Self

PORT: Final = 53
A: Final = 1
CNAME: Final = 5
AAAA: Final = 28
NO_SUCH_NAME: Final = 3
HEADER_BYTES: Final = 12


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """Answers at `address`; `asked` tells for which names, and may be cleared."""

    address: str
    zone: Mapping[str, list[str]]
    asked: list[str] = field(default_factory=list)
    lookups: Counter[str] = field(default_factory=Counter)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, (self.address, PORT))
        return self

    async def __aexit__(self, *error: object) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name, end = read_name(data)
        (kind,) = struct.unpack_from(">H", data, end)
        if kind == A:  # each lookup asks for both kinds at once
            self.asked.append(name)
            self.lookups[name] += 1
        records = [*self._records(name, kind)]
        head = data[:2] + struct.pack(">HHHHH", 0x8580 | self._error(name), 1, len(records), 0, 0)
        self._transport.sendto(head + data[HEADER_BYTES : end + 4] + b"".join(records), addr)

    def _error(self, name: str) -> int:
        return 0 if name in self.zone else NO_SUCH_NAME

    def _records(self, name: str, kind: int) -> Iterator[bytes]:
        for one in self._answer(name):
            if one.startswith("@"):
                yield record(name, CNAME, write_name(one[1:]))
                yield from self._records(one[1:], kind)
            elif kind == (A if ip_address(one).version == 4 else AAAA):
                yield record(name, kind, ip_address(one).packed)

    def _answer(self, name: str) -> list[str]:
        answers = self.zone.get(name, [""])
        return answers[min(max(self.lookups[name], 1), len(answers)) - 1].split()


def read_name(question: bytes) -> tuple[str, int]:
    """The name asked for, and where it ends."""
    labels, at = [], HEADER_BYTES
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode("ascii").lower())
        at += 1 + length
    return ".".join(labels), at + 1


def write_name(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record(name: str, kind: int, data: bytes) -> bytes:
    return write_name(name) + struct.pack(">HHIH", kind, 1, 0, len(data)) + data
