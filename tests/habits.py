"""
Every bad habit of a server that takes more than a few wrong bytes: redirects, slowness, lies, bombs.

What can be said in bytes is in `tests/bad_answers.py`.
"""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import unquote

from tests.bad_answers import BAD_ANSWERS
from tests.exchange import JPEG_BEGINS, PICTURE, Exchange

DRIP_SECONDS: Final = 0.01
HANG_SECONDS: Final = 3600
BOMB: Final = gzip.compress(JPEG_BEGINS + b"\0" * 5_000_000)  # five megabytes in five kilobytes


async def answers_as_told(exchange: Exchange) -> None:
    """/status/503?retry-after=7"""
    status = int(exchange.choice)
    await exchange.answer(status, retry_after=exchange.request.word("retry-after") or None)


async def fails_once(exchange: Exchange) -> None:
    """/flaky/... is an error at first, then a picture."""
    if exchange.visits == 1:
        await exchange.answer(500)
    else:
        await exchange.answer(200, PICTURE)


async def redirects(exchange: Exchange) -> None:
    """/redirect?to=<URL>"""
    await exchange.answer(302, location=exchange.request.word("to") or None, set_cookie="tracked=1; Path=/")


async def redirects_n_times(exchange: Exchange) -> None:
    """/chain/3 needs three redirects to its picture."""
    left = int(exchange.choice)
    if left:
        await exchange.answer(301, location=f"/chain/{left - 1}")
    else:
        await exchange.answer(200, PICTURE)


async def redirects_to_a_signed_url(exchange: Exchange) -> None:
    if exchange.request.word("signature"):
        await exchange.answer(200, PICTURE)
    else:
        await exchange.answer(302, location=f"?signature={'a' * 4000}")


async def sends_in_circles(exchange: Exchange) -> None:
    await exchange.answer(307, location="/circle/a" if exchange.request.path == "/circle/b" else "/circle/b")


async def hangs(_: Exchange) -> None:
    await asyncio.sleep(HANG_SECONDS)


async def drips(exchange: Exchange) -> None:
    """An endless picture, a byte at a time."""
    await exchange.answer(200, JPEG_BEGINS, content_length=None)
    while True:
        await exchange.send(b"\0")
        await asyncio.sleep(DRIP_SECONDS)


async def stalls(exchange: Exchange) -> None:
    """Begins quickly and never goes on."""
    await exchange.answer(200, JPEG_BEGINS + b"\0" * 500_000, content_length=1_000_000)
    await hangs(exchange)


async def takes_its_time(exchange: Exchange) -> None:
    """A picture in pieces, the first of one byte: slow, but never as slow as a drip."""
    pieces = [JPEG_BEGINS[:1], JPEG_BEGINS[1:], *[b"\0" * 1000] * 10]
    await exchange.answer(200, content_length=len(b"".join(pieces)))
    for piece in pieces:
        await asyncio.sleep(5 * DRIP_SECONDS)
        await exchange.send(piece)


async def drips_headers(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nX-Thinking: ")
    while True:
        await exchange.send(b"m")
        await asyncio.sleep(DRIP_SECONDS)


async def declares_too_much(exchange: Exchange) -> None:
    await exchange.answer(200, PICTURE, content_length=len(PICTURE) + 1)
    exchange.hang_up()


async def declares_too_little(exchange: Exchange) -> None:
    await exchange.answer(200, PICTURE + b"and more", content_length=len(PICTURE))
    exchange.hang_up()


async def declares_a_monster(exchange: Exchange) -> None:
    """Says that it will send ten gigabytes, begins, and waits."""
    await exchange.answer(200, JPEG_BEGINS, content_length=10_000_000_000)
    await hangs(exchange)


async def cuts_a_chunk(exchange: Exchange) -> None:
    chunk = b"%x\r\n" % 10_000 + JPEG_BEGINS  # fewer bytes than the chunk's own length
    await exchange.answer(200, chunk, content_length=None, transfer_encoding="chunked")
    exchange.hang_up()


async def never_ends(exchange: Exchange) -> None:
    await exchange.answer(200, JPEG_BEGINS, content_length=None)
    while True:
        await exchange.send(b"\0" * 65_536)


async def sends_a_bomb(exchange: Exchange) -> None:
    await exchange.answer(200, BOMB, content_encoding="gzip")


async def compresses(exchange: Exchange) -> None:
    await exchange.answer(200, gzip.compress(PICTURE), content_encoding="gzip")


async def says_nothing(exchange: Exchange) -> None:
    exchange.hang_up()


async def speaks_another_language(exchange: Exchange) -> None:
    await exchange.send(b"220 mail.example ESMTP ready\r\n")
    exchange.hang_up()


async def says_it_badly(exchange: Exchange) -> None:
    """/answer/<name> says what BAD_ANSWERS has under that name."""
    answer = BAD_ANSWERS[unquote(exchange.choice)]
    await exchange.send(answer.says)
    if answer.then:
        await asyncio.sleep(DRIP_SECONDS)  # so that the client has begun to read
        await exchange.send(answer.then)
    match answer.ends:
        case "resets":
            exchange.reset()
        case "goes on":
            while True:
                await exchange.send(answer.then)
        case "closes":
            exchange.hang_up()


async def drips_at(exchange: Exchange) -> None:
    """/speed/<bytes per second> is a picture in pieces that never ends."""
    await exchange.answer(200, JPEG_BEGINS, content_length=None)
    while True:
        await asyncio.sleep(5 * DRIP_SECONDS)
        await exchange.send(b"\0" * (int(exchange.choice) // 20))


async def drips_early_hints(exchange: Exchange) -> None:
    while True:
        await exchange.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await asyncio.sleep(5 * DRIP_SECONDS)


async def hangs_behind_redirects(exchange: Exchange) -> None:
    """/away/<n> takes its time for each of very many redirects."""
    await asyncio.sleep(DRIP_SECONDS)
    await exchange.answer(302, location=f"/away/{int(exchange.choice) + 1}")


HABITS: Final[dict[str, Callable[[Exchange], Awaitable[None]]]] = {
    "status": answers_as_told,
    "flaky": fails_once,
    "redirect": redirects,
    "chain": redirects_n_times,
    "signed": redirects_to_a_signed_url,
    "circle": sends_in_circles,
    "hang": hangs,
    "drip": drips,
    "stall": stalls,
    "steady": takes_its_time,
    "slow-headers": drips_headers,
    "too-short": declares_too_much,
    "too-long": declares_too_little,
    "monster": declares_a_monster,
    "cut-chunk": cuts_a_chunk,
    "endless": never_ends,
    "bomb": sends_a_bomb,
    "gzip": compresses,
    "silent": says_nothing,
    "not-http": speaks_another_language,
    "answer": says_it_badly,
    "speed": drips_at,
    "hints": drips_early_hints,
    "away": hangs_behind_redirects,
}
