"""Decoder children for tests: a pool with small presets, and who is there."""

import psutil

from packshot.compress import Compressor
from packshot.models import Encoding, Preset
from packshot.settings import load_settings

PRESETS = (
    Preset("large", 64, (Encoding("avif", 70, 0), Encoding("jpeg", 80, 0))),
    Preset("thumb", 16, (Encoding("jpeg", 80, 0),)),
)
MEGABYTE = 1_000_000


def compressor(*, jobs_per_child: int = 500, **settings: object) -> Compressor:
    return Compressor(load_settings(**{"workers": 1, **settings}), PRESETS, jobs_per_child=jobs_per_child)


def children(parent: int | None = None) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(parent).children()
        if "packshot.decoder" in " ".join(child.cmdline())
    ]
