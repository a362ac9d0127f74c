"""All routes of the console, in the order in which they are tried."""

from typing import Final

from packshot.web.console import (
    failures,
    files,
    nowhere,
    overview,
    product,
    products,
    reference,
    session,
    source,
    system,
    theme,
)

MODULES: Final = (
    overview,
    products,
    product,
    source,
    failures,
    system,
    reference,
    session,
    theme,
    files,
    nowhere,  # whatever is left
)
ROUTERS: Final = tuple(module.router for module in MODULES)
