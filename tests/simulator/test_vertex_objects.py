"""Objects of Cloud Storage: lists, contents, deletion, and who may."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx2
import pytest

from litebatch_asgi.simulator import Account, Fault, Simulator

from .raw import body_of, exchange
from .vertex import BUCKET, at, listed, upload, vertex_http

LIST = f"/storage/v1/b/{BUCKET}/o"
NAMES = ["a/1", "a/10", "a/2", "b/1", "ä"]


@pytest.fixture
def account(account: Account) -> Account:
    account.configure(flavour="vertex")
    return account


@pytest.fixture
async def http(address: str, account: Account) -> AsyncIterator[httpx2.AsyncClient]:
    async with vertex_http(address, account) as http:
        yield http


@pytest.fixture
async def five(http: httpx2.AsyncClient) -> None:
    for name in reversed(NAMES):
        await upload(http, name.encode(), name)


async def pages(http: httpx2.AsyncClient, **params: str | int) -> list[list[str]]:
    """The names on each page."""
    found: list[list[str]] = []
    token: str | None = ""
    while token is not None:
        response = await http.get(LIST, params={**params, **({"pageToken": token} if token else {})})
        assert response.status_code == 200, response.text
        told = response.json()
        assert told["kind"] == "storage#objects"
        found.append([each["name"] for each in told.get("items", [])])
        token = told.get("nextPageToken")
    return found


@pytest.mark.usefixtures("five")
async def test_lists_are_by_name_and_in_pages(http: httpx2.AsyncClient) -> None:
    assert await pages(http) == [NAMES]
    assert await pages(http, maxResults=2) == [NAMES[:2], NAMES[2:4], NAMES[4:]]
    assert await pages(http, maxResults=1, prefix="a/1") == [["a/1"], ["a/10"]]
    assert await pages(http, startOffset="a/10", endOffset="b/1") == [["a/10", "a/2"]]
    assert await pages(http, prefix="c") == [[]]
    for wrong in ({"maxResults": 0}, {"maxResults": "many"}, {"pageToken": "x"}):
        assert (await http.get(LIST, params=wrong)).status_code == 400


@pytest.mark.usefixtures("five")
async def test_what_is_added_between_pages_moves_nothing(http: httpx2.AsyncClient) -> None:
    first = (await http.get(LIST, params={"maxResults": 2})).json()
    await upload(http, b"", "a/0")
    await http.delete(at("a/10"))
    second = (await http.get(LIST, params={"maxResults": 2, "pageToken": first["nextPageToken"]})).json()
    assert [each["name"] for each in second["items"]] == NAMES[2:4]


@pytest.mark.usefixtures("five")
async def test_lists_of_other_buckets_are_others(http: httpx2.AsyncClient, account: Account) -> None:
    assert (await http.get("/storage/v1/b/another/o")).json() == {"kind": "storage#objects"}
    account.configure(buckets=[BUCKET])
    response = await http.get("/storage/v1/b/another/o")
    assert (response.status_code, response.json()["error"]["message"]) == (
        404,
        "The specified bucket does not exist.",
    )


@pytest.mark.usefixtures("five")
async def test_a_deleted_object_is_gone(http: httpx2.AsyncClient) -> None:
    response = await http.delete(at("a/2"))
    assert (response.status_code, response.content) == (204, b"")
    for again in (http.delete(at("a/2")), http.get(at("a/2")), http.get(at("a/2"), params={"alt": "media"})):
        refused = await again
        assert refused.status_code == 404
        error = refused.json()["error"]
        assert error["message"] == f"No such object: {BUCKET}/a/2"
        assert error["errors"] == [{"message": error["message"], "domain": "global", "reason": "notFound"}]
    assert await listed(http) == [name for name in NAMES if name != "a/2"]


@pytest.mark.parametrize("path", ["", "/download"])
async def test_contents_are_read_whole_and_in_part(http: httpx2.AsyncClient, path: str) -> None:
    told = await upload(http, b"0123456789", "a/b")
    where, params = f"{path}{at('a/b')}", {"alt": "media"}
    response = await http.get(where, params=params)
    assert (response.status_code, response.content) == (200, b"0123456789")
    assert response.headers["x-goog-hash"] == f"crc32c={told['crc32c']},md5={told['md5Hash']}"
    assert response.headers["x-goog-generation"] == told["generation"]
    for asked, part in (("2-3", b"23"), ("7-", b"789"), ("-2", b"89"), ("8-99", b"89")):
        response = await http.get(where, params=params, headers={"range": f"bytes={asked}"})
        assert (response.status_code, response.content) == (206, part)
    response = await http.get(where, params=params, headers={"range": "bytes=10-"})
    assert response.status_code == 416


async def test_an_empty_object(http: httpx2.AsyncClient) -> None:
    response = await http.post(
        f"/upload/storage/v1/b/{BUCKET}/o", params={"uploadType": "media", "name": "e"}
    )
    assert response.json()["size"] == "0"
    response = await http.get(at("e"), params={"alt": "media"})
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.usefixtures("five")
async def test_slashes_of_names_are_encoded(address: str, account: Account) -> None:
    token = account.tokens.issue(60)
    head = f"HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    found = await exchange(address, f"GET /east{at('a/1')}?alt=media {head}".encode())
    assert body_of(found) == b"a/1"
    lost = await exchange(address, f"GET /east/storage/v1/b/{BUCKET}/o/a/1?alt=media {head}".encode())
    assert lost.startswith(b"HTTP/1.1 404")


async def test_objects_of_another_project_are_not_there(http: httpx2.AsyncClient, account: Account) -> None:
    await upload(http, b"a", "a")
    account.configure(project="other")
    assert await listed(http) == []
    assert (await http.get(at("a"))).status_code == 404


# faults


@pytest.mark.usefixtures("five")
async def test_lists_lag_and_break_on_a_page(http: httpx2.AsyncClient, simulator: Simulator) -> None:
    simulator.add_fault(Fault(call="list_files", hide_newest=1))
    assert await pages(http) == [NAMES[1:]]
    simulator.add_fault(Fault(call="list_files", page=2, status=500))
    first = (await http.get(LIST, params={"maxResults": 3})).json()
    params = {"maxResults": 3, "pageToken": first["nextPageToken"]}
    assert (await http.get(LIST, params=params)).status_code == 500
    assert (await http.get(LIST, params=params)).status_code == 200


@pytest.mark.usefixtures("five")
async def test_a_fault_is_for_the_object_that_it_matches(
    http: httpx2.AsyncClient, simulator: Simulator
) -> None:
    simulator.add_fault(Fault(call="retrieve_file", match="b/1", status=503, times=None))
    simulator.add_fault(Fault(call="stream_file", match=f"gs://{BUCKET}/a/2", short_after=1, times=None))
    assert (await http.get(at("a/1"))).status_code == 200
    assert (await http.get(at("b/1"))).status_code == 503
    assert (await http.get(at("b/1"), params={"alt": "media"})).content == b"b/1"
    assert (await http.get(at("a/2"), params={"alt": "media"})).content == b"a"


@pytest.mark.usefixtures("five")
async def test_a_name_may_be_garbled(http: httpx2.AsyncClient, simulator: Simulator) -> None:
    simulator.add_fault(Fault(call="list_files", garbled="bad_utf8", match="a/10"))
    told = json.loads((await http.get(LIST)).content.decode(errors="replace"))
    assert [each["name"] for each in told["items"]] == ["a/1", "a/10\ufffd", *NAMES[2:]]


async def test_a_deletion_whose_answer_is_lost(http: httpx2.AsyncClient, simulator: Simulator) -> None:
    await upload(http, b"a", "a")
    simulator.add_fault(Fault(call="delete_file", when="after", drop=True))
    with pytest.raises(httpx2.TransportError):
        await http.delete(at("a"))
    assert (await http.delete(at("a"))).status_code == 404
    assert [entry.done for entry in simulator.journal.select("delete_file")] == [True, False]


@pytest.mark.usefixtures("five")
async def test_inputs_are_in_the_summary(simulator: Simulator) -> None:
    files = simulator.summary().files
    assert {name: [each.id for each in found] for name, found in files.items()} == {
        "1": [f"gs://{BUCKET}/b/1", f"gs://{BUCKET}/a/1"],
        "2": [f"gs://{BUCKET}/a/2"],
        "10": [f"gs://{BUCKET}/a/10"],
        "ä": [f"gs://{BUCKET}/ä"],
    }
    assert list(simulator.summary().doubled_files()) == ["1"]
