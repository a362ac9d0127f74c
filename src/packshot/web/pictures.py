"""
Who may see a picture: anybody, or whoever has a signed address.

A signature is an HMAC-SHA256 over the path, the version and the end, so an address cannot be turned into that
of another picture, or of another time. Ends are rounded: all addresses that are written within a period end
together, with the next period. So an answer has the same bytes, and the same ETag, for a whole period.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import time
from typing import Final
from urllib.parse import parse_qs, urlencode

KEPT_WITH_A_KEY: Final = 300  # seconds, where no signature says how long
END: Final = re.compile(r"[1-9]\d{0,11}", re.ASCII)
MAX_AGE: Final = re.compile(r"max-age=(\d+)")
PICTURE: Final = re.compile(r"/images/[^/]+/([^/]+)")


@dataclass(frozen=True, slots=True)
class Pictures:
    """Signs the addresses of pictures, and checks them; without a secret everybody sees every picture."""

    secret: str = ""
    period_seconds: int = 86_400
    clock: Callable[[], float] = time

    @property
    def edition(self) -> str:
        """Return what changes with the addresses that are written."""
        return self._signature("edition", self._end()) if self.secret else ""

    def address(self, path: str, end: int | None = None) -> str:
        """Return a path, and maybe its version, in the form that can be given away."""
        if not self.secret:
            return path
        end = end or self._end()
        mark = "&" if "?" in path else "?"
        return path + mark + urlencode({"expires": end, "signature": self._signature(path, end)})

    def shows(self, path: str, query: str) -> bool:
        """Tell whether everybody may see this picture, or whoever has this address of it."""
        if not self.secret:
            return True
        end, said = end_in(query), parse_qs(query)
        version = "".join(f"?v={one}" for one in said.get("v", []))
        right = self._signature(path + version, end)
        is_right = hmac.compare_digest("".join(said.get("signature", [])).encode(), right.encode())
        return is_right and self.clock() < end

    def kept(self, headers: Mapping[str, str], query: str) -> dict[str, str]:
        """Say in the headers of a picture that its viewer alone may keep it, and not beyond its end."""
        if not self.secret:
            return dict(headers)
        most = int("".join(MAX_AGE.findall(headers["Cache-Control"])))
        left = max(0, end_in(query) - int(self.clock())) if is_signed(query) else KEPT_WITH_A_KEY
        return {**headers, "Cache-Control": f"private, max-age={min(most, left)}"}

    def _end(self) -> int:
        return (int(self.clock()) // self.period_seconds + 2) * self.period_seconds

    def _signature(self, path: str, end: int) -> str:
        digest = hmac.digest(self.secret.encode(), f"{path}\n{end}".encode(), "sha256")
        return urlsafe_b64encode(digest).decode().rstrip("=")


def end_in(query: str) -> int:
    """Return when an address ends, the beginning of time if it does not say."""
    said = "".join(parse_qs(query).get("expires", []))
    return int(said) if END.fullmatch(said) else 0


def is_signed(query: str) -> bool:
    """Tell whether an address has a signature, whatever it is worth."""
    return "signature" in parse_qs(query, keep_blank_values=True)


def is_picture(path: str) -> bool:
    """Tell whether a picture is served there: /images/7/large.avif."""
    found = PICTURE.fullmatch(path)
    return found is not None and found[1] != "markup"
