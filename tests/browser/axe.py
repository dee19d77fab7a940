"""What in a page hinders people, as axe-core finds it."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from playwright.async_api import Page

from tests.browser.needs import AXE, NO_AXE

_FOUND = "async () => (await axe.run({resultTypes: ['violations'], preload: false})).violations"
_GRAVE = frozenset({"serious", "critical"})


async def violations(page: Page) -> list[str]:
    """What is serious or critical in the page as it is now, one text for each element.

    axe is evaluated by the debugger, which the page's policy does not bind; the policy stays in force for
    all else. Skips the test where axe-core is not there. Needs a page with JavaScript.
    """
    if not AXE.exists():
        pytest.skip(NO_AXE)
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(await anyio.Path(AXE).read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = await page.evaluate(_FOUND)
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:200]} at {node['target']}: "
        + " ".join(node["failureSummary"].split())
        for each in found
        if each["impact"] in _GRAVE
        for node in each["nodes"]
    ]
