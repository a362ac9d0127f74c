"""
Nothing is ever sent to what is not public: a canary in a network of its own sees every packet.

All tries are made at once, in one process inside new namespaces (`tests/island.py`); each address is
a test. That the canary can see is proven by tries that are allowed.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import pytest
from servers import ServerMissing
from tests.forbidden import FORBIDDEN, INTERNAL, INVALID, OWN
from tests.island import FRIEND, SENT, Seen, Try
from tests.real_servers import needed

from packshot.errors import AddressForbidden

ROOT: Final = Path(__file__).parents[2]
PUBLIC: Final = (
    "http://8.8.8.8/",
    "http://public.example/",
    "http://[2606:4700:4700::1111]/",
    "http://public6.example/",
    "https://8.8.8.8/",
)
ALLOWED: Final = {  # what is opened, by what, and where the packets go then
    "http://10.1.2.3/": ("10.1.2.0/24", "10.1.2.3"),
    "http://10.1.2.3:8080/": ("10.1.2.3", "10.1.2.3"),
    "http://exists.internal/": ("exists.internal", "10.0.0.1"),
    "http://exists/": ("exists", "10.0.0.1"),
    "http://EXISTS.internal./": ("10.0.0.0/8", "10.0.0.1"),
    "http://known-to-hosts/": ("known-to-hosts", "10.0.0.1"),
    "http://ten.shop.example/": ("10.0.0.0/8", "10.0.0.1"),
    "http://127.0.0.1:81/": ("127.0.0.1", "127.0.0.1"),
    f"http://{OWN[0]}:81/": (OWN[0], OWN[0]),
    f"http://{OWN[1]}/": (OWN[1], OWN[1]),
    "http://ours.shop.example/": ("ours.shop.example", OWN[0]),
}
NOT_ALLOWED: Final = {  # beside what is opened
    "http://10.1.2.3/": "10.1.3.0/24",
    "http://exists.internal/": "internal",
    "http://a.exists.internal/": "exists.internal",
    "http://10.0.0.1/": "exists.internal",
    f"http://{OWN[1]}/": OWN[0],
    "http://[::ffff:10.1.2.3]/": "10.1.2.0/24",
    "http://nobody.internal/": "10.0.0.0/8",
    "http://aws.shop.example/": "10.0.0.0/8",
}


class Island:
    """What was seen of each try."""

    def __init__(self, tries: Iterable[Try]) -> None:
        self._tries = list(tries)
        self._seen = self._run()

    def seen(self, url: str, *allowed: str, times: int = 1) -> Seen:
        """What was seen the first time, or the n-th, that `url` was tried."""
        at = -1
        for _ in range(times):
            at = self._tries.index(Try(url=url, allowed=[*allowed]), at + 1)
        return self._seen[at]

    def _run(self) -> list[Seen]:
        if not (unshare := shutil.which("unshare")):
            raise ServerMissing("a network of its own: `unshare` of util-linux is not installed")
        command = [unshare, "--net", "--mount", *([] if os.getuid() == 0 else ["--user", "--map-root-user"])]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}"}
        run = subprocess.run(  # noqa: S603 - our own words only
            [*command, sys.executable, "-m", "tests.island"],
            input=json.dumps(self._tries),
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment,
            timeout=100,
            check=False,
        )
        if "unshare failed" in run.stderr or "PermissionError" in run.stderr:
            raise ServerMissing(f"a network of its own: {run.stderr.strip().splitlines()[-1]}")
        assert run.returncode == 0, run.stderr
        answer: list[Seen] = json.loads(run.stdout)
        return answer


def by_redirect(url: str) -> str:
    return f"http://{FRIEND}/redirect?to={quote(url, '')}"


@pytest.fixture(scope="module")
def island() -> Island:
    tries = [Try(url=url, allowed=[]) for url in (*FORBIDDEN, *INVALID)]
    tries += [Try(url=by_redirect(url), allowed=[FRIEND]) for url in FORBIDDEN]
    tries += [Try(url=url, allowed=[allowed]) for url, allowed in NOT_ALLOWED.items()]
    others = ["shop.exists", "known-to-hosts.example", "nobody.example", "partly.example"]
    others += ["rebinding.example", "rebinding.example"]
    tries += [Try(url=f"http://{host}/", allowed=[]) for host in others]
    # Last, because what they send may be seen late.
    tries += [Try(url=url, allowed=[allowed]) for url, (allowed, _) in ALLOWED.items()]
    tries += [Try(url=url, allowed=[]) for url in PUBLIC]
    with needed():
        return Island(tries)
    raise AssertionError


@pytest.mark.parametrize("url", FORBIDDEN)
def test_no_packet_goes_where_no_supplier_has_pictures(island: Island, url: str) -> None:
    seen = island.seen(url)

    assert seen["code"] == "address_forbidden", seen
    assert seen["packets_to"] == []


@pytest.mark.parametrize("url", FORBIDDEN)
def test_no_redirect_gets_a_packet_there_either(island: Island, url: str) -> None:
    seen = island.seen(by_redirect(url), FRIEND)

    assert seen["code"] == "address_forbidden", seen
    assert seen["message"].startswith(f"{FRIEND} redirects to http")
    assert seen["packets_to"] == []


@pytest.mark.parametrize("url", INVALID)
def test_what_is_no_url_for_us_moves_nothing(island: Island, url: str) -> None:
    seen = island.seen(url)

    assert seen["code"] == "url_invalid", seen
    assert seen["packets_to"] == []


def test_all_that_is_forbidden_is_refused_in_the_same_words(island: Island) -> None:
    sentences = {island.seen(url)["message"].partition(": ")[2] for url in FORBIDDEN if "[" not in url}

    assert sentences == {AddressForbidden.meaning}


def test_the_dns_is_not_asked_for_names_that_only_a_private_network_knows(island: Island) -> None:
    urls = [f"http://{host}/shoe.jpg" for host in INTERNAL.split()]

    assert {name for url in urls for name in island.seen(url)["asked"]} == set()


@pytest.mark.parametrize("host", ["shop.exists", "known-to-hosts.example", "nobody.example"])
def test_our_search_domains_and_hosts_file_are_nobodys_business(island: Island, host: str) -> None:
    seen = island.seen(f"http://{host}/")

    assert seen["code"] == "host_unknown", seen
    assert seen["asked"] == [host]


def test_of_several_addresses_only_the_public_one_gets_packets(island: Island) -> None:
    assert island.seen("http://partly.example/")["packets_to"] == ["8.8.8.8"]


def test_a_name_that_was_public_once_is_refused_when_it_no_longer_is(island: Island) -> None:
    before = island.seen("http://rebinding.example/")
    after = island.seen("http://rebinding.example/", times=2)

    assert (before["packets_to"], before["code"]) == (["8.8.8.8"], SENT)
    assert (after["packets_to"], after["code"]) == ([], "address_forbidden")


@pytest.mark.parametrize("url", PUBLIC)
def test_the_canary_sees_what_goes_to_a_public_address(island: Island, url: str) -> None:
    assert island.seen(url)["packets_to"]
    assert island.seen(url)["code"] == SENT


@pytest.mark.parametrize(("url", "allowed", "address"), [(url, *how) for url, how in ALLOWED.items()])
def test_what_is_allowed_is_open_and_the_canary_sees_it(
    island: Island, url: str, allowed: str, address: str
) -> None:
    seen = island.seen(url, allowed)

    assert address in seen["packets_to"], seen
    assert seen["code"] == SENT


@pytest.mark.parametrize(("url", "allowed"), NOT_ALLOWED.items())
def test_nothing_is_open_beside_what_is_allowed(island: Island, url: str, allowed: str) -> None:
    seen = island.seen(url, allowed)

    assert seen["code"] == "address_forbidden", seen
    assert seen["packets_to"] == []


def test_the_url_of_a_try_says_what_it_is() -> None:
    assert len(set(FORBIDDEN)) == len(FORBIDDEN)
    assert len({urlsplit(url).netloc for url in FORBIDDEN}) >= 170
