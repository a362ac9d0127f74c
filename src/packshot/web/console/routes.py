"""All routes of the console, in the order in which they are tried."""

from typing import Final

from packshot.web.console import files, nowhere, product, products, reference, start, theme

ROUTERS: Final = tuple(
    module.router for module in (start, products, product, reference, theme, files, nowhere)
)
