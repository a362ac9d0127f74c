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
    source,
    theme,
)

ROUTERS: Final = tuple(
    module.router
    for module in (overview, products, product, source, failures, reference, theme, files, nowhere)
)
