"""Names whose DNS does not answer: they keep themselves waiting, and nobody else."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fetching import BOTH_LOOPS, HERE, downloader, failure
from tests.supplier import PICTURE, Supplier

from packshot.errors import HostUnknown, SourceBusy

LONGEST_SECONDS = 5


class Dns:
    """Knows shop.example, and answers about nobody else until it `may_answer`."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.may_answer = threading.Event()
        self.answered = threading.Event()

    def answer(self, host: str, port: int, *_: object, **__: object) -> list[Any]:
        if host == "shop.example":  # without a dot at its end, for an address is allowed
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (HERE, port))]
        self.asked.release()
        self.may_answer.wait(LONGEST_SECONDS)
        self.answered.set()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    async def is_asked(self, times: int = 1) -> None:
        """Wait for that many lookups to begin."""
        for _ in range(times):
            assert await asyncio.to_thread(self.asked.acquire, timeout=LONGEST_SECONDS)


@pytest.fixture(params=BOTH_LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture
async def supplier() -> AsyncIterator[Supplier]:
    async with Supplier(files={"/shoe.png": PICTURE}) as supplier:
        yield supplier


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dns]:
    dns = Dns()
    monkeypatch.setattr(socket, "getaddrinfo", dns.answer)
    yield dns
    dns.may_answer.set()


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "source"


async def test_names_whose_dns_hangs_do_not_keep_a_good_one_waiting(
    supplier: Supplier, dns: Dns, to: Path
) -> None:
    async with downloader(workers=1) as one:
        hanging = [asyncio.create_task(one.download(f"http://{n}.example/", to)) for n in range(16)]
        await dns.is_asked(times=16)

        assert await one.download(supplier.url("/shoe.png", host="shop.example"), to)
        assert not dns.answered.is_set()
        dns.may_answer.set()
        await asyncio.gather(*hanging, return_exceptions=True)


async def test_when_too_many_lookups_hang_who_comes_is_asked_to_come_back(
    supplier: Supplier, dns: Dns, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packshot.download.MOST_PLACES", 0)
    good = supplier.url("/shoe.png", host="shop.example")
    async with downloader(workers=1) as one:
        hanging = asyncio.create_task(one.download("http://hangs.example/", to))
        await dns.is_asked()
        with pytest.raises(SourceBusy) as busy:
            await one.download(good, to)
        dns.may_answer.set()
        await asyncio.gather(hanging, return_exceptions=True)

        assert busy.value.retry_after_seconds > 0
        assert await one.download(good, to)


async def test_a_lookup_that_nobody_waits_for_still_counts(
    supplier: Supplier, dns: Dns, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packshot.download.MOST_PLACES", 0)
    async with downloader(workers=1) as one:
        hanging = asyncio.create_task(one.download("http://hangs.example/", to))
        await dns.is_asked()
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)

        with pytest.raises(SourceBusy):
            await one.download(supplier.url("/shoe.png", host="shop.example"), to)


async def test_lookups_that_hang_leave_the_threads_of_everybody_else_alone(dns: Dns, to: Path) -> None:
    async with downloader(workers=40) as one:
        lookups = [asyncio.create_task(one.download(f"http://{n}.example/", to)) for n in range(40)]
        await dns.is_asked(times=40)
        await asyncio.to_thread(dns.may_answer.set)
        answers = await asyncio.gather(*lookups, return_exceptions=True)

    assert [type(answer) for answer in answers] == [HostUnknown] * 40


async def test_a_lookup_that_hangs_does_not_hold_up_the_end(dns: Dns, to: Path) -> None:
    await failure("http://hangs.example/", to, download_seconds=0.1)

    assert not dns.answered.is_set()
