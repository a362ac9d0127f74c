"""The system's Chromium, which tests steer. A distribution's package: nothing is downloaded for it."""

import shutil
from typing import Final

from servers import ServerMissing

NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def find_chromium() -> str:
    """Return the program's path; raise ServerMissing."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise ServerMissing("Chromium is not installed (Debian: chromium).")
    return found
