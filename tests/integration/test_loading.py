"""A libvips that is too old, cannot read our formats or reads what it must not is not worked with."""

import subprocess
import sys

import pytest

PREPARE = """
import sys
import pyvips
from packshot import loading
from packshot.errors import ConfigError
{before}
try:
    print(loading.prepare({formats!r}))
except ConfigError as error:
    print(error)
"""


def prepared(before: str = "", formats: tuple[str, ...] = ()) -> str:
    """What a process of its own says: blocked loaders stay blocked. Its environment blocks nothing."""
    code = PREPARE.format(before=before, formats=formats)
    return subprocess.check_output([sys.executable, "-c", code], text=True, env={}).strip()  # noqa: S603 - the text above


def test_the_libvips_that_comes_with_us_is_good_enough() -> None:
    assert prepared().split(".")[:2] == ["8", "18"]


def test_an_older_libvips_is_refused() -> None:
    said = prepared("loading.MINIMUM_VERSION = (9, 0, 0)")

    assert said.startswith("libvips is 8.18.")
    assert said.endswith("; at least 9.0.0 is needed.")


def test_a_libvips_whose_untrusted_loaders_cannot_be_blocked_is_refused() -> None:
    said = prepared("pyvips.operation_block_set = lambda name, state: None")

    assert said.startswith("The untrusted loaders of libvips 8.18.")
    assert said.endswith(" cannot be blocked.")


def test_a_format_that_libvips_cannot_read_is_named() -> None:
    said = prepared('loading.LOADERS["tiff"] = ("thereisnosuchload", "VipsForeignLoadTiff")', ("tiff",))

    assert said.endswith(" cannot read TIFF.")


@pytest.mark.parametrize("format_", ["tiff", "svg"])
def test_a_format_that_is_switched_on_can_be_read(format_: str) -> None:
    assert prepared(formats=(format_,)).startswith("8.18.")
