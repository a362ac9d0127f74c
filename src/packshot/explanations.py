"""
What the codes of failed images mean, for a person at a terminal; `docs/errors.md` says the same.

Neither settings nor a database are needed: whoever asks may have no more than a code from a log. Pure.
"""

import json
from difflib import get_close_matches

from packshot.errors import CATALOGUE, ConfigError, ImageError


def explain(code: str | None, *, as_json: bool) -> str:
    """Return the meaning of one code, or of all; raise ConfigError for a code that does not exist."""
    kinds = [_find(code)] if code else list(CATALOGUE.values())
    if as_json:
        return json.dumps([_facts(kind) for kind in kinds], indent=2)
    return "\n\n".join(_text(kind) for kind in kinds)


def _find(code: str) -> type[ImageError]:
    if kind := CATALOGUE.get(code.strip().lower()):
        return kind
    near = get_close_matches(code.lower(), CATALOGUE, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "packshot explain lists all codes."
    raise ConfigError(f"There is no error code {code!r}. {hint}")


def _facts(kind: type[ImageError]) -> dict[str, str | bool]:
    return {
        "code": kind.code,
        "meaning": kind.meaning,
        "advice": kind.advice,
        "transient": kind.transient,
        "fixed_by": kind.fixed_by,
    }


def _text(kind: type[ImageError]) -> str:
    after = "tried again by itself" if kind.transient else "fails at once: another try would end the same"
    return (
        f"{kind.code}\n  {kind.meaning}\n  {kind.advice}\n"
        f"  Who can fix it: {kind.fixed_by}. What follows: {after}."
    )
