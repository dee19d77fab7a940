"""What the page's README shows is what works."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette

from litebatch_asgi.page.attempts import MOST_OF_ONE, WINDOW_SECONDS
from litebatch_asgi.page.live import FEW_OF_ONE, INTERVAL_SECONDS, MOST_STREAMS
from litebatch_asgi.page.live import MOST_OF_ONE as MOST_STREAMS_OF_ONE
from litebatch_asgi.page.sessions import SESSION_SECONDS
from tests.access.standalone import MASTER, Standalone
from tests.http.sockets import served
from tests.page.visiting import visiting
from tests.readme.snippets import ROOT, snippets

FILE = ROOT / "litebatch_asgi" / "page" / "README.md"
SNIPPETS = {each.heading: each.text for each in snippets(FILE) if each.language == "python"}


@pytest.mark.parametrize("heading", SNIPPETS)
async def test_the_snippets_are_run(gateway: Standalone, heading: str) -> None:
    app = Starlette()
    names: dict[str, Any] = {"app": app, "litebatch": gateway.litebatch, "__name__": "host"}
    exec(compile(SNIPPETS[heading], FILE.name, "exec", dont_inherit=True), names)
    async with served(app) as address, visiting(address, MASTER, root="/litebatch") as visitor:
        page = await visitor.get("/batches")
        assert page.heading == "Batches"
        if "Notes" not in SNIPPETS[heading]:
            return
        page = await visitor.follow(page, "Notes")
        page = await visitor.submit(page.form("Add one"))
        assert page.notice == "Added."
        assert "by master" in page.text


def test_its_figures_are_those_of_the_code() -> None:
    text = " ".join(FILE.read_text().split())
    for told in (
        f"{SESSION_SECONDS // 3600} hours",
        f"{MOST_OF_ONE} attempts that fail in {WINDOW_SECONDS / 60:.0f} minutes",
        f"at most {MOST_STREAMS} in a process and {MOST_STREAMS_OF_ONE} of one owner",
        f"when half are taken {FEW_OF_ONE} of one",
        f"every {INTERVAL_SECONDS:.0f} seconds",
    ):
        assert told in text
