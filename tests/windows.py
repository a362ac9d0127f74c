"""Windows of a browser, and an ear for what a page should never say or ask for."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, ViewportSize

OpenPage = Callable[..., Awaitable[Page]]

WIDE: Final[ViewportSize] = {"width": 1280, "height": 900}
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}
PATIENCE_MS: Final = 15_000

AXE: Final = Axe()
RULES: Final = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
RULES_OF_SIGHT: Final = {"runOnly": {"type": "rule", "values": ["color-contrast", "target-size"]}}


def watch(page: Page, home: str, trouble: list[str]) -> None:
    """Write down what fails in a page, what it opens by itself, and what it wants from other servers."""
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda said: trouble.append(said.text) if said.type in ("error", "warning") else None)
    page.on("dialog", lambda dialog: trouble.append(dialog.message))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((home, "data:", "blob:")) else trouble.append(request.url)
        ),
    )


async def is_wider_than_its_window(page: Page) -> bool:
    """Tell whether one has to scroll sideways."""
    return bool(await page.evaluate("document.documentElement.scrollWidth > innerWidth"))


async def breaks_no_rule(page: Page, rules: dict[str, Any]) -> None:
    """Fail if a reader of screens, or eyes, would find the page hard."""
    found = await AXE.run(page, options=rules)
    assert found.violations_count == 0, found.generate_report()
