"""The list of files and one of them, as owners and admins see them."""

from __future__ import annotations

import re

import httpx2
import pytest

from litebatch_asgi.page.files import list as listing
from litebatch_asgi.simulator import Fault
from tests.access.standalone import MASTER, OTHER, Standalone
from tests.harness import MODEL, lines
from tests.page.visiting import visiting

pytestmark = pytest.mark.anyio
EVIL = '<script>alert("x")</script>'


async def named(gateway: Standalone, name: str, content: bytes, *, key: str, purpose: str = "batch") -> str:
    """The id of a file that was uploaded under this name, exactly as it stands."""
    async with gateway.http(key) as http:
        answer = await http.post(
            "/files",
            files={"file": (name, content)},
            data={"purpose": purpose, "target_model_names": "" if purpose == "batch" else MODEL},
        )
    assert answer.status_code == 200, answer.text
    file_id: str = answer.json()["id"]
    return file_id


async def test_who_has_none_is_told_what_to_do(gateway: Standalone) -> None:
    async with visiting(gateway, await gateway.new_key(user_id="newcomer", models=[MODEL])) as visitor:
        page = await visitor.get("/files")
        assert "No files yet" in page.text
        assert f'"model": "{MODEL}"' in page.text
        assert "-F purpose=batch -F file=@requests.jsonl" in page.text
        assert (await visitor.follow(page, "Upload a file")).heading == "Upload a file"
        assert "No such files" in (await visitor.get("/files?model=x")).text


async def test_owners_see_theirs_and_admins_all(gateway: Standalone) -> None:
    keys = {name: await gateway.new_key(user_id=name) for name in ("lister", "neighbour")}
    for name, key in keys.items():
        await named(gateway, f"{name}.jsonl", lines(1234), key=key)
    async with visiting(gateway, keys["lister"]) as visitor:
        page = await visitor.get("/files")
        (row,) = page.rows
        assert row[:6] == ["lister.jsonl", "batch", "208 kB", "1,234", MODEL, "processed"]
        assert row[-1] in ("in 30 d", "in 29 d 23 h")
        refused = await visitor.get("/files?owner=user:neighbour")
        assert (refused.status, "neighbour" in refused.heading) == (403, False)
    async with visiting(gateway, MASTER) as visitor:
        rows = (await visitor.get("/files")).rows
        assert {(row[0], row[1]) for row in rows} >= {
            ("lister.jsonl", "user:lister"),
            ("neighbour.jsonl", "user:neighbour"),
        }
        page = await visitor.get("/files")
        narrowed = await visitor.submit(page.form("Show"), owner="user:neighbour", model=MODEL)
        assert [row[0] for row in narrowed.rows] == ["neighbour.jsonl"]
        assert narrowed.form("Show").values["owner"] == "user:neighbour"
        assert not (await visitor.submit(page.form("Show"), owner="user:neighbour", model=OTHER)).rows


async def test_a_list_is_narrowed_down_and_has_pages(
    gateway: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "ROWS", 2)
    key = await gateway.new_key(user_id="pages")
    for number in range(3):
        await named(gateway, f"{number}.jsonl", lines(1 + number), key=key)
    await named(gateway, "notes.txt", b"notes", key=key, purpose="user_data")
    async with visiting(gateway, key) as visitor:
        page = await visitor.submit((await visitor.get("/files")).form("Show"), purpose="batch")
        assert [row[0] for row in page.rows] == ["2.jsonl", "1.jsonl"]
        older = await visitor.follow(page, "Older")
        assert [row[0] for row in older.rows] == ["0.jsonl"]
        assert "Older" not in older.links
        for back in ("Newest", "Newer"):
            assert [row[0] for row in (await visitor.follow(older, back)).rows] == ["2.jsonl", "1.jsonl"]
        page = await visitor.submit((await visitor.get("/files")).form("Show"), model=MODEL)
        assert [row[0] for row in page.rows] == ["notes.txt", "2.jsonl"]
        older = await visitor.follow(page, "Older")
        assert [row[0] for row in older.rows] == ["1.jsonl", "0.jsonl"]
        assert "Older" not in older.links
        for query in ("model=x&after=file-lbxyz", "before=x", "purpose=nonsense", "model=x&text=y"):
            refused = await visitor.get(f"/files?{query}")
            assert refused.status == 400
            assert refused.alert
            assert refused.form("Show")


async def test_files_are_found_by_their_names(gateway: Standalone) -> None:
    key = await gateway.new_key(user_id="finder")
    ids = {name: await named(gateway, name, lines(), key=key) for name in ("Night.jsonl", "day.jsonl")}
    theirs = await named(gateway, "night.jsonl", lines(), key=MASTER)
    async with visiting(gateway, key) as visitor:
        form = (await visitor.get("/files")).form("Show")
        for text, name in (("nigh", "Night.jsonl"), (ids["day.jsonl"], "day.jsonl")):
            page = await visitor.submit(form, text=text)
            assert [row[0] for row in page.rows] == [name]
            assert page.form("Show").values["text"] == text
        for text in (theirs, "evening", EVIL):
            page = await visitor.submit(form, text=text)
            assert "No such files" in page.text
            assert "<script>alert" not in page.html


async def test_a_file_tells_what_is_known_of_it(gateway: Standalone) -> None:
    key = await gateway.new_key(user_id="teller")
    file_id = await named(gateway, "in.jsonl", lines(7), key=key)
    async with visiting(gateway, key) as visitor:
        page = await visitor.get(f"/files/{file_id}")
        assert page.heading == "in.jsonl"
        assert page.facts["Id"] == file_id
        assert (page.facts["Lines"], page.facts["Model"], page.facts["Status"]) == ("7", MODEL, "processed")
        assert not {"Owner", "Key"} & page.facts.keys()
        assert not page.rows
        assert not re.search(r"\beast\b", page.html)
    async with visiting(gateway, MASTER) as visitor:
        page = await visitor.get(f"/files/{file_id}")
        assert page.facts["Owner"] == "user:teller"
        assert {row[0] for row in page.rows} == {"east", "west"}


async def test_results_lead_to_their_batch(gateway: Standalone) -> None:
    key = await gateway.new_key(user_id="results")
    file = await gateway.upload(lines(2), key=key)
    batch = await gateway.ended((await gateway.create(file.id, key=key)).id, key=key)
    async with visiting(gateway, key) as visitor:
        page = await visitor.get(f"/files/{batch.output_file_id}")
        assert page.links[batch.id] == f"/ui/batches/{batch.id}"
        assert "Create a batch" not in page.links
        assert (await visitor.get(f"/files/{batch.output_file_id}/batch")).status == 400
        assert file.id in (await visitor.get(f"/files/{file.id}")).links["Batches of this file"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\secrets\\..\\in.jsonl", "in.jsonl"),
        (f"in{EVIL}.jsonl", "script>.jsonl"),
        ('in";x="y.jsonl', "in%22;x=%22y.jsonl"),
        ("näme ☃.jsonl", "näme ☃.jsonl"),
    ],
)
async def test_a_name_does_no_harm(gateway: Standalone, given: str, kept: str) -> None:
    content = lines(2)
    file_id = await named(gateway, given, content, key=MASTER)
    async with visiting(gateway, MASTER) as visitor:
        for path in ("/files", f"/files/{file_id}", f"/files/{file_id}/batch"):
            page = await visitor.get(path)
            assert kept in page.text
            assert "<script>alert" not in page.html
        page = await visitor.get(f"/files/{file_id}")
        answer: httpx2.Response = (await visitor.follow(page, "Download")).answer
        assert answer.content == content
        told = answer.headers["content-disposition"]
        assert told.startswith("attachment; ")
        assert told.count('"') in (0, 2)
        assert not {"/", "\\", "<"} & set(told)
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_download_can_be_looked_at_first(gateway: Standalone) -> None:
    content = lines(3)
    file_id = await named(gateway, "in.jsonl", content, key=MASTER)
    async with visiting(gateway, MASTER) as visitor:
        answer = await visitor.http.head(f"{gateway.address}/ui/files/{file_id}/content")
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(content)))


async def test_what_cannot_be_read_is_told_on_a_page(gateway: Standalone) -> None:
    file_id = await named(gateway, "in.jsonl", lines(3), key=MASTER)
    failing = gateway.simulator.add_fault(Fault(call="stream_file", status=500, times=None))
    async with visiting(gateway, MASTER) as visitor:
        page = await visitor.get(f"/files/{file_id}/content")
        assert (page.status, page.heading) == (503, "This cannot be shown")
        assert "content-disposition" not in page.answer.headers
    gateway.simulator.remove_fault(failing)


async def test_a_deleted_file_is_gone(gateway: Standalone) -> None:
    file_id = await named(gateway, "old.jsonl", lines(), key=MASTER)
    async with visiting(gateway, MASTER) as visitor:
        page = await visitor.get(f"/files/{file_id}")
        gone = await visitor.submit(page.form("Yes, delete"))
        assert (gone.path, gone.notice) == ("/ui/files", "old.jsonl was deleted.")
        assert (await visitor.get(f"/files/{file_id}")).status == 404


async def test_files_of_others_are_not_there(gateway: Standalone) -> None:
    theirs = await named(gateway, "theirs.jsonl", lines(), key=await gateway.new_key(user_id="them"))
    async with visiting(gateway, await gateway.new_key(user_id="me")) as visitor:
        token = await visitor.token("/files")
        for file_id in (theirs, "file-lb" + "0" * 26, "%2e%2e%2f", "%00"):
            for path in (f"/files/{file_id}", f"/files/{file_id}/content", f"/files/{file_id}/batch"):
                page = await visitor.get(path)
                assert page.status == 404, path
                assert "theirs.jsonl" not in page.html
            for path in (f"/files/{file_id}/delete", f"/files/{file_id}/batch"):
                assert (await visitor.post(path, token=token)).status_code == 404
    async with visiting(gateway, MASTER) as visitor:
        assert (await visitor.get(f"/files/{theirs}")).status == 200
