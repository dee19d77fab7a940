"""What another site can have a browser send here, and what is refused of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from litebatch_asgi.errors import PermissionDenied
from litebatch_asgi.page.origin import check_origin
from litebatch_asgi.page.sessions import Sessions
from tests.access.standalone import MASTER, Standalone
from tests.page.visiting import Page, visiting

HOST = "gateway.example:4000"
OWN: list[dict[str, str]] = [
    {},
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "none"},
    {"origin": f"http://{HOST}"},
    {"origin": f"https://{HOST}"},
    {"origin": "http://GATEWAY.example:4000"},
    {"sec-fetch-site": "same-origin", "origin": "null"},
]
OTHERS: list[dict[str, str]] = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": ""},
    {"sec-fetch-site": "cross-site", "origin": f"http://{HOST}"},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "https://evil.example"},
    {"origin": "http://gateway.example"},
    {"origin": "http://gateway.example:4001"},
    {"origin": f"http://{HOST}.evil.example"},
    {"origin": f"http://{HOST}@evil.example"},
    {"origin": "http://["},
    {"origin": f"file:///{HOST}"},
    {"origin": HOST},
]


def scope(headers: Mapping[str, str], host: str | None = HOST) -> dict[str, Any]:
    told = {**headers, **({} if host is None else {"host": host})}
    return {"type": "http", "headers": [(name.encode(), value.encode()) for name, value in told.items()]}


@pytest.mark.parametrize("headers", OWN)
def test_the_page_itself(headers: dict[str, str]) -> None:
    check_origin(scope(headers))


@pytest.mark.parametrize("headers", OTHERS)
def test_another_site(headers: dict[str, str]) -> None:
    with pytest.raises(PermissionDenied, match="Another site"):
        check_origin(scope(headers))


def test_a_request_that_names_no_host() -> None:
    with pytest.raises(PermissionDenied):
        check_origin(scope({"origin": "null"}, host=None))
    with pytest.raises(PermissionDenied):
        check_origin(scope({"origin": "http://"}, host=""))


@pytest.mark.parametrize("headers", OTHERS)
async def test_no_form_of_another_site_is_taken(gateway: Standalone, headers: dict[str, str]) -> None:
    """Not with the right token either, and nobody is signed in by it."""
    async with visiting(gateway, MASTER) as visitor:
        page = await visitor.get("/batches")
        form = page.form("Sign out")
        sent = {"host": HOST, **headers}
        answer = await visitor.http.post(form.action, data=form.values, headers=sent)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        assert "Another site" in (Page(answer).alert or "")
        signing_in = f"{gateway.address}/ui/sign-in"
        answer = await visitor.http.post(signing_in, data={"key": MASTER}, headers=sent)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


async def test_a_form_is_of_one_session_alone(gateway: Standalone) -> None:
    async with visiting(gateway, MASTER) as visitor, visiting(gateway, MASTER) as other:
        tokens = {"", "x", await other.token()}
        for token in tokens:
            answer = await visitor.post("/sign-out", token=token)
            assert answer.status_code == 403
        assert (await visitor.post("/sign-out")).status_code == 403
        assert (await visitor.post("/sign-out", token=await visitor.token())).status_code == 303


def test_tokens_of_another_secret_are_others() -> None:
    assert Sessions("a" * 32).token_of(None, "alice") == Sessions("a" * 32).token_of(None, "alice")
    assert Sessions("a" * 32).token_of(None, "alice") != Sessions("b" * 32).token_of(None, "alice")
    assert Sessions().token_of(None, "alice") != Sessions().token_of(None, "alice")
