"""The cable with which other tests make trouble: what passes, what is held back, and who notices."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic

import pytest
from servers.cable import Cable

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[Cable], Awaitable[Ends]]


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def cable(port: int) -> AsyncIterator[Cable]:
    async with Cable.to("127.0.0.1", port) as cable:
        yield cable


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connect to a cable until the end of the test."""
    writers = []

    async def connect(cable: Cable) -> Ends:
        reader, writer = await asyncio.open_connection("127.0.0.1", cable.port)
        writers.append(writer)
        return reader, writer

    yield connect
    for writer in writers:
        writer.close()


async def echo_of(ends: Ends, word: bytes) -> bytes:
    reader, writer = ends
    writer.write(word)
    return await reader.readexactly(len(word))


async def is_cut(ends: Ends) -> bool:
    try:
        return await ends[0].read() == b""
    except ConnectionResetError:
        return True


async def test_what_is_sent_arrives_and_is_answered(cable: Cable, connect: Connect) -> None:
    assert await echo_of(await connect(cable), b"shoe") == b"shoe"


async def test_an_end_is_passed_on(cable: Cable, connect: Connect) -> None:
    reader, writer = await connect(cable)

    writer.write_eof()

    assert await reader.read() == b""


async def test_a_frozen_cable_holds_everything_back_until_it_thaws(cable: Cable, connect: Connect) -> None:
    old = await connect(cable)
    cable.freeze()
    new = await connect(cable)

    waiting = {asyncio.create_task(echo_of(ends, b"shoe")) for ends in (old, new)}
    done, _ = await asyncio.wait(waiting, timeout=0.05)
    assert not done

    cable.thaw()
    assert await asyncio.gather(*waiting) == [b"shoe", b"shoe"]


async def test_a_cut_ends_what_there_is_even_if_it_is_frozen(cable: Cable, connect: Connect) -> None:
    old = await connect(cable)
    await echo_of(old, b"shoe")
    cable.freeze()

    await cable.cut()
    cable.thaw()

    assert await is_cut(old)
    assert await echo_of(await connect(cable), b"shoe") == b"shoe"


async def test_a_pulled_cable_takes_nobody_until_it_is_plugged_in(cable: Cable, connect: Connect) -> None:
    old = await connect(cable)
    await echo_of(old, b"shoe")

    await cable.pull()

    assert await is_cut(old)
    with pytest.raises(ConnectionRefusedError):
        await connect(cable)
    await cable.plug_in()
    assert await echo_of(await connect(cable), b"shoe") == b"shoe"


async def test_a_slow_cable_takes_its_time_in_both_directions(cable: Cable, connect: Connect) -> None:
    cable.slow(0.02)
    started = monotonic()

    await echo_of(await connect(cable), b"shoe")

    assert monotonic() - started >= 0.04


async def test_a_server_that_is_not_there_ends_the_connection(port: int, connect: Connect) -> None:
    async with Cable.to("127.0.0.1", port) as cable, Cable(cable.url) as longer:
        await cable.pull()

        assert await is_cut(await connect(longer))


def test_the_url_leads_through_the_cable_and_keeps_the_rest() -> None:
    cable = Cable("amqp://shop:secret@broker.example:5672/packshot?heartbeat=5")

    assert cable.url == "amqp://shop:secret@127.0.0.1:0/packshot?heartbeat=5"
