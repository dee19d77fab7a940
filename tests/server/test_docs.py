"""The API's reference at `/docs`: whole, readable without anything else, and safe."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from litebatch_asgi.routes.openapi import describe
from litebatch_asgi.server.docs.answer import STYLE
from litebatch_asgi.server.docs.page import page
from litebatch_asgi.server.keys import KEY_OPERATIONS
from tests.access.standalone import MASTER, standalone
from tests.database import SQLiteDatabase

HOSTILE = "</style><script>alert('x')</script><img src=x onerror=alert(1)>\"'&"


class Read(HTMLParser):
    """A page taken apart; what is not closed as it was opened is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if "href" in given else []
        assert set(given) <= {"id", "href", "class", "charset", "name", "content", "lang", "scope", "title"}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("master_key", [MASTER, None])
async def test_everything_that_is_described_is_there(tmp_path: Path, master_key: str | None) -> None:
    """To anyone, with and without `/v1`; of keys where there are keys."""
    async with (
        standalone(tmp_path, SQLiteDatabase(tmp_path), master_key=master_key) as gateway,
        httpx2.AsyncClient(base_url=gateway.address, verify=False) as http,
    ):
        answer = await http.get("/docs")
        document = (await http.get("/openapi.json")).json()
        assert (await http.get("/v1/docs")).text == answer.text
        assert (await http.head("/docs")).status_code == 200
        refused = await http.post("/docs")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    read = Read(answer.text)
    for path, methods in document["paths"].items():
        assert f"{path}" in read.text
        for method in methods.keys() - {"parameters"}:
            assert methods[method]["operationId"] in read.ids
            assert methods[method]["summary"] in read.text
    assert ("/key/generate" in document["paths"]) == (master_key is not None) == ("/key/" in read.text)
    for name, schema in document["components"]["schemas"].items():
        assert f"schema-{name}" in read.ids
        assert all(field in read.text for field in schema.get("properties", {}))
    assert len(set(read.ids)) == len(read.ids)
    assert {link for link in read.links if not link.startswith("#")} == {"openapi.json"}
    assert {link[1:] for link in read.links if link.startswith("#")} <= set(read.ids)
    assert_nothing_is_loaded(answer)


def assert_nothing_is_loaded(answer: httpx2.Response) -> None:
    """No script, no address, and a policy that allows the page's own style sheet alone."""
    assert not Read(answer.text).tags & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert not re.search(r"https?://|//cdn|@import|url\(|javascript:", answer.text)
    (style,) = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
    allowed = b64encode(sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"].split("; ")
    assert policy[:2] == ["default-src 'none'", f"style-src 'sha256-{allowed}'"]
    assert {"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} <= set(policy)
    assert answer.headers["x-content-type-options"] == "nosniff"


def hostile(node: Any) -> Any:
    """A document in which every text that is not a word of OpenAPI's own is an attack."""
    if isinstance(node, dict):
        items = cast("dict[str, Any]", node)
        spoiled = {name: hostile(value) for name, value in items.items()}
        for name in ("description", "summary", "title", "pattern", "operationId", "default", "version"):
            if isinstance(spoiled.get(name), str):
                spoiled[name] = HOSTILE
        return spoiled | ({"enum": [HOSTILE]} if "enum" in items else {})
    if isinstance(node, list):
        return [hostile(each) for each in node]  # pyright: ignore[reportUnknownVariableType]
    return node


def test_every_text_is_escaped() -> None:
    document = hostile(describe("1", KEY_OPERATIONS))
    document["components"]["schemas"][HOSTILE] = {
        "type": "object",
        "properties": {HOSTILE: {"type": HOSTILE}},
    }
    document["paths"][f"/{HOSTILE}"] = {HOSTILE: document["paths"]["/models"]["get"]}
    html = page(document, STYLE)
    read = Read(html)
    assert not read.tags & {"script", "img"}
    assert HOSTILE in read.text
    assert html.count("<style>") == html.count("</style>") == 1
