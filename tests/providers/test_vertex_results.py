"""Objects of Cloud Storage: results in shards, lists of inputs, deletion."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from litebatch_asgi.errors import DeploymentRefused, NoClearAnswer, ProviderNotFound

from .vertex import OBJECT, google_refusal, vertex_for
from .wire import answer, cut, raw_server

RESULTS = "gs://my-bucket/litebatch/vertex-1/out/7/prediction-model-1/"
AT = "/storage/v1/b/my-bucket/o"
FOLDER = "litebatch/vertex-1/out/7/prediction-model-1/"
SIZES = {2: "0", 1: "15", 3: "8"}
SHARDS = [{"name": f"{FOLDER}predictions_0{index}.jsonl", "size": size} for index, size in SIZES.items()]
OTHER = {"name": f"{FOLDER}errors_stats", "size": "1"}
SINCE = datetime(2026, 11, 14, 22, 13, 20, 500_000, UTC)


def path(name: str) -> str:
    return f"{AT}/{name.replace('/', '%2F')}"


async def test_results_are_all_shards_by_name_each_ended_by_a_newline() -> None:
    pages = (
        answer({"items": SHARDS[:2], "nextPageToken": "t"}),
        answer({"items": [OTHER, SHARDS[2]]}),
        answer(raw=b'{"a":1}\n{"b":2}'),
        answer(raw=b""),
        answer(raw=b'{"c":3}\n'),
    )
    async with (
        raw_server(*pages) as server,
        vertex_for(server.root) as adapter,
        adapter.stream_file(RESULTS) as stream,
    ):
        assert stream.size is None
        content = b"".join([block async for block in stream.blocks])
    assert content == b'{"a":1}\n{"b":2}\n{"c":3}\n'
    targets = [urlsplit(each.target) for each in server.received]
    assert parse_qs(targets[0].query)["prefix"] == [FOLDER]
    assert [each.path for each in targets[2:]] == [path(f"{FOLDER}predictions_0{n}.jsonl") for n in (1, 2, 3)]
    assert {each.query for each in targets[2:]} == {"alt=media"}


async def test_a_shard_of_which_only_a_part_came_is_an_error() -> None:
    pages = (answer({"items": SHARDS[1:2]}), answer(raw=b'{"a":1}\n'))
    async with (
        raw_server(*pages) as server,
        vertex_for(server.root) as adapter,
        adapter.stream_file(RESULTS) as stream,
    ):
        with pytest.raises(NoClearAnswer, match="8 bytes came, and it has 15"):
            _ = [block async for block in stream.blocks]


@pytest.mark.parametrize("items", [[], [OTHER]])
async def test_a_directory_without_shards_is_not_found(items: list[object]) -> None:
    async with raw_server(*[answer({"items": items})] * 2) as server, vertex_for(server.root) as adapter:
        with pytest.raises(ProviderNotFound):
            async with adapter.stream_file(RESULTS):
                pass
        with pytest.raises(ProviderNotFound):
            await adapter.retrieve_file(RESULTS)


async def test_a_directory_of_results_is_a_file_of_no_known_size() -> None:
    async with raw_server(answer({"items": SHARDS})) as server, vertex_for(server.root) as adapter:
        file = await adapter.retrieve_file(RESULTS)
    assert (file.id, file.filename, file.bytes) == (RESULTS, "prediction-model-1", None)


@pytest.mark.parametrize(
    "second", [google_refusal(404, "NOT_FOUND"), cut(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")]
)
async def test_results_that_break_off_between_shards_have_no_end(second: object) -> None:
    pages = (answer({"items": SHARDS}), answer(raw=b"{}\n"), second)
    async with (
        raw_server(*pages) as server,  # type: ignore[arg-type]
        vertex_for(server.root) as adapter,
        adapter.stream_file(RESULTS) as stream,
    ):
        with pytest.raises(NoClearAnswer):
            assert [block async for block in stream.blocks]


async def test_deleting_results_deletes_all_that_lies_there() -> None:
    gone = google_refusal(404, "NOT_FOUND")
    pages = (answer({"items": [SHARDS[0], OTHER]}), answer(raw=b"", status=204), gone)
    async with raw_server(*pages) as server, vertex_for(server.root) as adapter:
        await adapter.delete_file(RESULTS)
    assert [(each.method, each.target) for each in server.received[1:]] == [
        ("DELETE", path(str(OTHER["name"]))),
        ("DELETE", path(str(SHARDS[0]["name"]))),
    ]


@pytest.mark.parametrize("name", ["file-1", "gs://", "gs://my-bucket", "gs://my-bucket/", "https://x/y"])
async def test_ids_of_other_things_are_not_found_and_nothing_is_deleted(name: str) -> None:
    async with raw_server() as server, vertex_for(server.root) as adapter:
        await adapter.delete_file(name)
        with pytest.raises(ProviderNotFound):
            await adapter.retrieve_file(name)
        with pytest.raises(ProviderNotFound):
            async with adapter.stream_file(name):
                pass
    assert server.received == []


async def test_inputs_are_listed_from_a_time_on_and_found_by_their_names() -> None:
    old = {**OBJECT, "name": f"{OBJECT['name']}0", "timeCreated": "2026-11-14T22:13:18Z"}
    odd = {**OBJECT, "name": "litebatch/vertex-1/in/20261114T221320-1/a%2Fb%25.jsonl"}
    async with (
        raw_server(answer({"items": [old, OBJECT, odd]})) as server,
        vertex_for(server.root) as adapter,
    ):
        files = [file async for file in adapter.list_files(since=SINCE)]
    assert [file.filename for file in files] == ["file-lb1-inst.jsonl", "a/b%.jsonl"]
    assert files[0].id == f"gs://my-bucket/{OBJECT['name']}"
    query = parse_qs(urlsplit(server.received[0].target).query)
    assert query["prefix"] == ["litebatch/vertex-1/in/"]
    assert query["startOffset"] == ["litebatch/vertex-1/in/20261106T221320"]


async def test_another_deployment_on_the_same_bucket_has_a_folder_of_its_own() -> None:
    for deployment_id in ("vertex-2", "of/an odd:name"):
        async with raw_server(answer({})) as server, vertex_for(server.root, id=deployment_id) as adapter:
            assert [file async for file in adapter.list_files(since=SINCE)] == []
        [prefix] = parse_qs(urlsplit(server.received[0].target).query)["prefix"]
        assert prefix != "litebatch/vertex-1/in/"
        assert prefix.startswith("litebatch/")
        assert prefix.count("/") == 3


async def test_a_list_of_a_bucket_that_is_not_there_is_the_deployments_fault() -> None:
    refused = google_refusal(404, "NOT_FOUND", "The specified bucket does not exist.")
    async with raw_server(refused) as server, vertex_for(server.root) as adapter:
        with pytest.raises(DeploymentRefused):
            assert [file async for file in adapter.list_files(since=SINCE)]


async def test_an_object_without_a_name_keeps_a_list_from_being_complete() -> None:
    async with raw_server(answer({"items": [{"size": "1"}]})) as server, vertex_for(server.root) as adapter:
        with pytest.raises(NoClearAnswer):
            assert [file async for file in adapter.list_files(since=SINCE)]


async def test_what_the_reader_of_a_stream_raises_goes_on_as_it_is() -> None:
    async with raw_server(answer(raw=b"{}\n")) as server, vertex_for(server.root) as adapter:
        with pytest.raises(ZeroDivisionError):
            async with adapter.stream_file("gs://my-bucket/in.jsonl"):
                raise ZeroDivisionError
