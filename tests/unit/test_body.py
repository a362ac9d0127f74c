"""How a packed body is opened, without a network."""

import gzip
import zlib
from collections.abc import Callable

import pytest

from packshot.body import unpacker
from packshot.errors import SourceNotHttp


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_what_is_not_packed_is_not_unpacked(encoding: str) -> None:
    assert unpacker("shop.example", encoding) is None


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZip", "deflate"])
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_gzip_and_deflate_are_opened_whichever_of_them_it_is(
    encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    opened = unpacker("shop.example", encoding)

    assert opened
    assert opened.decompress(pack(b"picture")) == b"picture"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip,identity", "\x00", "\udcff"])
def test_any_other_packing_is_named_and_refused(encoding: str) -> None:
    with pytest.raises(SourceNotHttp, match=r"^shop\.example packs the file as ") as caught:
        unpacker("shop.example", encoding)

    assert str(caught.value).isprintable()
