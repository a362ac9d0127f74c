"""
The README's session, typed into a shell against a fresh server.

What the README prints below a block must be in what the block says, in that order; `…` stands for
what a reader need not see. The ports are the test's own, and it waits where a person would.
"""

import asyncio
import re
import socket
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final

from tests.serving import ENDED, Serving
from tests.supplier import Supplier

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text("utf-8")
BLOCK: Final = re.compile(r"^```(bash session|json|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANSWERS: Final = ("json", "text")
MOST_IMAGES: Final = 9  # of the session; the ids of some may be free again
LAST_LINE: Final = "that was all"


def session() -> Iterator[tuple[str, str]]:
    """Each block of commands with the answer that is printed below it, or nothing."""
    blocks = [*BLOCK.findall(README), ("", "")]
    for (kind, commands), (next_kind, answer) in pairwise(blocks):
        if kind not in ANSWERS:
            yield commands, answer if next_kind in ANSWERS else ""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@asynccontextmanager
async def open_shell() -> AsyncIterator[Process]:
    shell = await asyncio.create_subprocess_exec("bash", stdin=PIPE, stdout=PIPE, cwd=ROOT)
    try:
        yield shell
    finally:
        await shell.communicate(b"kill $(jobs -p)\n")


async def type_in(shell: Process, commands: str) -> str:
    """Return what the commands print."""
    assert shell.stdin
    assert shell.stdout
    shell.stdin.write(f"{commands}\necho; echo {LAST_LINE}\n".encode())
    return (await shell.stdout.readuntil(f"{LAST_LINE}\n".encode())).decode()


async def wait_for_images(serving: Serving) -> None:
    for image_id in range(1, MOST_IMAGES + 1):
        while (answer := await serving.client.get(f"/images/{image_id}")).is_success:
            if answer.json()["state"] in ENDED:
                break
            await asyncio.sleep(0.02)


def missing(expected: str, actual: str) -> str | None:
    """The first piece of `expected` that does not follow in `actual`; white space does not count."""
    rest = re.sub(r"\s", "", actual)
    for piece in re.sub(r"\s", "", expected).split("…"):
        position = rest.find(piece)
        if position < 0:
            return f"{piece} in {rest}"
        rest = rest[position + len(piece) :]
    return None


async def test_the_session_of_the_readme_works_as_printed(tmp_path: Path) -> None:
    blocks = list(session())
    assert blocks
    supplier = str(free_port())
    async with Serving.start(tmp_path / "data") as serving, open_shell() as shell:
        for commands, answer in blocks:
            await wait_for_images(serving)
            ours = commands.replace("8080", str(serving.client.base_url.port)).replace("9000", supplier)
            assert missing(answer, await type_in(shell, ours)) is None


async def test_the_picture_of_the_readme_has_the_bytes_it_says(serving: Serving, supplier: Supplier) -> None:
    supplier.files["/camera.jpg"] = (ROOT / "docs/images/camera.jpg").read_bytes()
    said = re.findall(r"([0-9,]+) bytes", README.partition("\n## ")[0])

    (image,) = (await serving.ended(await serving.submit(supplier.url("/camera.jpg"))))["images"]

    made = [rendition["bytes"] for rendition in image["renditions"] if rendition["format"] == "avif"]
    assert said == [f"{size:,}" for size in (image["source"]["bytes"], *made)]
