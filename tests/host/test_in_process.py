"""A host that calls LiteBatch in process: the same operations, checks and errors as over HTTP."""

from __future__ import annotations

import io
import threading
from array import array
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, assert_type

import anyio
import httpx2
import pytest
from msgspec.structs import replace
from starlette.datastructures import UploadFile

from litebatch_asgi import Batch, File, LiteBatch, Page, Principal, RequestError
from litebatch_asgi.errors import (
    FileTooLarge,
    InvalidFile,
    InvalidRequest,
    LifespanNotEntered,
    ModelAccessDenied,
    NotFound,
)
from litebatch_asgi.models import Settings
from litebatch_asgi.simulator import Simulator
from tests.harness import (
    ENDPOINT,
    MODEL,
    QUICK,
    SWIFT,
    InProcess,
    by_key,
    deployments,
    ids_of,
    lines,
    running_gateway,
)
from tests.http.open_files import open_in
from tests.http.sockets import served

ALICE = Principal(owner="alice", key_id="key-alice")
BOB = Principal(owner="bob")
WORD: ContextVar[str] = ContextVar("WORD", default="none")


async def upload(gateway: InProcess, content: Any = None, **options: Any) -> File:
    values: dict[str, Any] = {"filename": "in.jsonl", "purpose": "batch"} | options
    given = lines() if content is None else content
    return await gateway.litebatch.files.create(ALICE, given, **values)


async def read(gateway: InProcess, file: File) -> bytes:
    return b"".join([block async for block in gateway.litebatch.files.content(ALICE, file.id)])


async def test_no_authenticator_is_needed_and_lets_nobody_in(tmp_path: Path) -> None:
    """Over HTTP every call is answered by the line to add, whoever it comes from."""
    (tmp_path / "spool").mkdir()
    async with Simulator(settings=SWIFT).running() as provider:
        litebatch = LiteBatch(
            deployments=deployments(provider),
            storage=f"sqlite:///{tmp_path}/a.db",
            settings=replace(QUICK, spool_dir=str(tmp_path / "spool")),
        )
        async with litebatch.lifespan(), served(litebatch.app) as address:
            file = await litebatch.files.create(ALICE, lines(), filename="in.jsonl", purpose="batch")
            batch = await litebatch.batches.create(
                ALICE, input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h"
            )
            assert (await litebatch.batches.retrieve(ALICE, batch.id)).owner == "alice"
            async with httpx2.AsyncClient(base_url=address, verify=False) as http:
                for headers in ({}, {"authorization": "Bearer alice"}):
                    for path in ("/files", f"/files/{file.id}/content", f"/batches/{batch.id}", "/models"):
                        answer = await http.get(path, headers=headers)
                        assert answer.status_code == 503
                        assert answer.headers["x-should-retry"] == "false"
                        error = answer.json()["error"]
                        assert error["code"] == "no_authenticator"
                        assert "LiteBatch(authenticator=...)" in error["message"]
                assert (await http.get("/openapi.json")).status_code == 200


async def typed(litebatch: LiteBatch, path: Path, upload: UploadFile) -> None:
    """Never run: the type checkers read it."""
    files, batches = litebatch.files, litebatch.batches
    for content in (b"", bytearray(), memoryview(b""), path, anyio.Path(path), io.BytesIO(), upload, [b""]):
        assert_type(await files.create(ALICE, content, filename="in.jsonl", purpose="batch"), File)
    with path.open("rb") as opened:
        await files.create(ALICE, opened, filename="in.jsonl", purpose="batch")
    async with await anyio.open_file(path, "rb") as opened_async:
        await files.create(ALICE, opened_async, filename="in.jsonl", purpose="batch")
    assert_type(await files.retrieve(ALICE, "id"), File)
    assert_type(await files.list(ALICE, order="asc"), Page[File])
    async for block in files.content(ALICE, "id"):
        assert_type(block, bytes)
    assert_type(await batches.retrieve(ALICE, "id"), Batch)
    assert_type(await batches.cancel(ALICE, "id"), Batch)
    assert_type(await batches.list(ALICE, limit=5, after="id", target_model_names=[MODEL]), Page[Batch])


async def test_the_whole_journey(gateway: InProcess) -> None:
    files, batches = gateway.litebatch.files, gateway.litebatch.batches
    file = await upload(gateway, lines(5), target_model_names=[MODEL])
    assert (await files.retrieve(ALICE, file.id)).id == file.id
    assert [each.id for each in (await files.list(ALICE, purpose="batch")).items] == [file.id]
    batch = await batches.create(
        ALICE, input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h", metadata={"a": "b"}
    )
    assert batch.metadata == {"a": "b"}
    assert (await batches.list(ALICE)).items[0].id == batch.id
    await gateway.ended(batch.id)
    ended = await batches.retrieve(ALICE, batch.id)
    assert ended.output_file_id is not None
    output = b"".join([block async for block in files.content(ALICE, ended.output_file_id)])
    assert ids_of(output) == [f"request-{number}" for number in range(5)]
    await files.delete(ALICE, file.id)
    with pytest.raises(NotFound):
        await files.retrieve(ALICE, file.id)


async def test_what_one_face_makes_the_other_shows(gateway: InProcess) -> None:
    file = await upload(gateway)
    assert (await gateway.client().files.retrieve(file.id)).bytes == file.bytes
    over_http = await gateway.upload()
    assert (await gateway.litebatch.files.retrieve(ALICE, over_http.id)).bytes == over_http.bytes


async def in_pieces(content: bytes, size: int = 100) -> AsyncIterator[bytes]:
    yield b""
    for start in range(0, len(content), size):
        yield content[start : start + size]


class Reader:
    """A file object that has nothing but what is asked for."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)
        self.threads: set[str] = set()
        self.words: set[str] = set()

    def read(self, size: int, /) -> bytes:
        self.threads.add(threading.current_thread().name)
        self.words.add(WORD.get())
        return self._file.read(size)


class AsyncReader:
    """The same for `await`."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    async def read(self, size: int, /) -> bytes:
        return self._file.read(size)


def in_lines(content: bytes) -> Iterator[bytes]:
    yield b""
    yield from content.splitlines(keepends=True)


MAKERS: dict[str, Callable[[bytes], object]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "memoryview of other items": lambda content: memoryview(array("H", content)),
    "memoryview in steps": lambda content: memoryview(bytes(each for byte in content for each in (byte, 0)))[
        ::2
    ],
    "file object": io.BytesIO,
    "least file object": Reader,
    "async file object": AsyncReader,
    "Starlette's upload": lambda content: UploadFile(io.BytesIO(content)),
    "async iterable": in_pieces,
    "iterable": in_lines,
    "list": lambda content: list(in_lines(content)),
}


@pytest.mark.parametrize("kind", MAKERS)
async def test_content_may_be(gateway: InProcess, kind: str) -> None:
    content = lines(4000)
    content += b"\n" * (len(content) % 2)
    file = await upload(gateway, MAKERS[kind](content))
    assert (file.bytes, file.lines) == (len(content), 4000)
    assert await read(gateway, file) == content


@pytest.mark.parametrize("kind", [Path, anyio.Path])
async def test_content_may_be_a_path(gateway: InProcess, tmp_path: Path, kind: type[Any]) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(lines(4000))
    file = await upload(gateway, kind(path))
    assert file.bytes == path.stat().st_size
    assert str(path) not in open_in(tmp_path)


async def test_an_open_file_is_read_on_and_left_open(gateway: InProcess, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"not for you\n" + lines())
    with path.open("rb") as opened:
        opened.readline()
        file = await upload(gateway, opened)
        assert not opened.closed
    assert file.bytes == len(lines())
    async with await anyio.open_file(path, "rb") as opened_async:
        await opened_async.readline()
        assert (await upload(gateway, opened_async)).bytes == len(lines())


async def test_plain_file_objects_are_read_in_our_threads_and_the_callers_context(gateway: InProcess) -> None:
    WORD.set("caller")
    reader = Reader(lines())
    await upload(gateway, reader)
    assert reader.words == {"caller"}
    assert all(name.startswith("litebatch") for name in reader.threads)


@pytest.mark.parametrize("content", ["text", "/a/path", 7, None, [1], ["text"], io.StringIO("text")])
async def test_what_is_no_content(gateway: InProcess, tmp_path: Path, content: object) -> None:
    with pytest.raises(TypeError):
        await gateway.litebatch.files.create(ALICE, content, filename="x", purpose="batch")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert open_in(tmp_path / "spool") == []


async def test_a_reader_that_has_nothing_yet_has_not_ended(gateway: InProcess, tmp_path: Path) -> None:
    class NonBlocking(io.RawIOBase):
        def __init__(self) -> None:
            self.blocks = [lines(), None, lines()]

        def read(self, size: int = -1) -> bytes | None:
            return self.blocks.pop(0)

    with pytest.raises(TypeError):
        await gateway.litebatch.files.create(ALICE, NonBlocking(), filename="x", purpose="batch")
    assert (await gateway.litebatch.files.list(ALICE)).items == []


async def test_what_reading_raises_goes_to_the_caller(gateway: InProcess, tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield lines()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await upload(gateway, broken())
    with pytest.raises(FileNotFoundError):
        await upload(gateway, tmp_path / "missing")
    assert open_in(tmp_path / "spool") == []
    assert (await gateway.litebatch.files.list(ALICE)).items == []


async def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield bytes(1000)

    async with running_gateway(tmp_path, settings=Settings(max_file_bytes=10_000)) as gateway:
        with pytest.raises(FileTooLarge):
            await upload(gateway, endless())
    assert taken == 11


LONG = "x" * 257
EXPIRY = "expires_after.seconds"

UPLOADS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"purpose": "fun"}, {"purpose": "fun"}, "purpose"),
    ({"expires_after_seconds": 3599}, {"expires_after[seconds]": "3599"}, EXPIRY),
    ({"expires_after_seconds": 2_592_001}, {"expires_after[seconds]": "2592001"}, EXPIRY),
    ({"target_model_names": ["nope"]}, {"target_model_names": "nope"}, "target_model_names"),
    ({"target_model_names": [LONG]}, {"target_model_names": LONG}, "target_model_names"),
    ({"target_model_names": ["a\0b"]}, {"target_model_names": "a\0b"}, "target_model_names"),
    (
        {"target_model_names": [f"m{number}" for number in range(101)]},
        {"target_model_names": ",".join(f"m{number}" for number in range(101))},
        "target_model_names",
    ),
]


@pytest.mark.parametrize(("asked", "form", "param"), UPLOADS)
async def test_uploads_are_checked_as_over_http(
    gateway: InProcess, asked: dict[str, Any], form: dict[str, str], param: str
) -> None:
    with pytest.raises(RequestError) as caught:
        await upload(gateway, **asked)
    if EXPIRY.startswith(param.partition(".")[0]):
        form = {"expires_after[anchor]": "created_at"} | form
    async with gateway.http() as http:
        fields = {"purpose": "batch"} | form
        answer = await http.post("/files", data=fields, files={"file": ("in.jsonl", lines())})
    assert caught.value.param == param
    assert said(answer) == told(caught.value)


def said(answer: httpx2.Response) -> tuple[object, ...]:
    error = answer.json()["error"]
    return answer.status_code, error["type"], error["code"], error["param"], error["message"]


def told(error: RequestError) -> tuple[object, ...]:
    return error.status, error.type, error.code, error.param, error.message


LISTS: list[tuple[str, dict[str, Any]]] = [
    *(("files", {"limit": limit}) for limit in (0, -1, 10_001)),
    *(("batches", {"limit": limit}) for limit in (0, -1, 101)),
    ("files", {"order": "sideways"}),
    ("files", {"purpose": "fun"}),
    ("files", {"after": "file-nope"}),
    ("files", {"after": "\0"}),
    ("batches", {"after": LONG}),
    ("batches", {"after": "batch_nope"}),
    ("files", {"target_model_names": [LONG]}),
    ("batches", {"target_model_names": [f"m{number}" for number in range(101)]}),
]


@pytest.mark.parametrize(("kind", "asked"), LISTS)
async def test_lists_are_checked_as_over_http(gateway: InProcess, kind: str, asked: dict[str, Any]) -> None:
    service: Any = getattr(gateway.litebatch, kind)
    with pytest.raises(InvalidRequest) as caught:
        await service.list(ALICE, **asked)
    query = {name: ",".join(value) if isinstance(value, list) else value for name, value in asked.items()}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    async with gateway.http() as http:
        answer = await http.get(f"/{kind}", params=query)
    assert said(answer) == told(caught.value)


BATCHES: list[dict[str, Any]] = [
    {"endpoint": "/v1/nonsense"},
    {"endpoint": "/v1/embeddings"},
    {"completion_window": "1h"},
    {"metadata": {str(number): "" for number in range(17)}},
    {"metadata": {"k" * 65: ""}},
    {"metadata": {"k": "v" * 513}},
    {"metadata": {"k": 7}},
    {"metadata": ["k"]},
    {"metadata": {"k": "nul\0"}},
    {"input_file_id": "file-nope"},
    {"input_file_id": "x" * 1000},
    {"input_file_id": 7},
]


@pytest.mark.parametrize("asked", BATCHES)
async def test_batches_are_checked_as_over_http(gateway: InProcess, asked: Mapping[str, Any]) -> None:
    file = await upload(gateway)
    body: dict[str, Any] = {
        "input_file_id": file.id,
        "endpoint": ENDPOINT,
        "completion_window": "24h",
        **asked,
    }
    with pytest.raises(RequestError) as caught:
        await gateway.litebatch.batches.create(ALICE, **body)
    async with gateway.http() as http:
        answer = await http.post("/batches", json=body)
    assert said(answer) == told(caught.value)
    assert (await gateway.litebatch.batches.list(ALICE)).items == []


@pytest.mark.parametrize("seconds", [3599, 2_592_001, 3600.5, "3600", True])
async def test_the_expiry_of_results_is_checked(gateway: InProcess, seconds: Any) -> None:
    file = await upload(gateway)
    with pytest.raises(InvalidRequest) as caught:
        await gateway.litebatch.batches.create(
            ALICE,
            input_file_id=file.id,
            endpoint=ENDPOINT,
            completion_window="24h",
            output_expires_after=seconds,
        )
    assert caught.value.param == "output_expires_after.seconds"


@pytest.mark.parametrize("text", ["half \ud83d", "nul \0"])
async def test_text_that_no_database_takes_is_refused(gateway: InProcess, text: str) -> None:
    file = await upload(gateway, filename=f"{text}.jsonl")
    assert file.filename.isprintable()
    services = gateway.litebatch
    for metadata in ({"k": text}, {text: "v"}):
        with pytest.raises(InvalidRequest):
            await services.batches.create(
                ALICE,
                input_file_id=file.id,
                endpoint=ENDPOINT,
                completion_window="24h",
                metadata=metadata,
            )
    with pytest.raises(NotFound):
        await services.files.retrieve(ALICE, text)
    with pytest.raises(NotFound):
        await services.batches.cancel(ALICE, text)
    with pytest.raises(InvalidRequest):
        await services.files.list(ALICE, after=text)


async def test_one_name_in_place_of_several_is_an_error(gateway: InProcess) -> None:
    with pytest.raises(InvalidRequest, match="sequence of names"):
        await upload(gateway, target_model_names=MODEL)
    with pytest.raises(InvalidRequest, match="sequence of names"):
        await gateway.litebatch.batches.list(ALICE, target_model_names=MODEL)


async def test_bad_lines_are_told_all_together(gateway: InProcess) -> None:
    with pytest.raises(InvalidFile) as caught:
        await upload(gateway, b"{\n{}\n")
    assert len(caught.value.problems) >= 2
    assert caught.value.status == 400


async def test_models_and_owners_are_held_to(gateway: InProcess) -> None:
    limited = Principal(owner="alice", models=frozenset({"other"}))
    with pytest.raises(ModelAccessDenied):
        await gateway.litebatch.files.create(limited, lines(), filename="x", purpose="batch")
    file = await upload(gateway)
    with pytest.raises(NotFound):
        await gateway.litebatch.files.retrieve(BOB, file.id)
    assert (await gateway.litebatch.files.list(BOB)).items == []
    admin = Principal(owner="admin", is_admin=True)
    assert (await gateway.litebatch.files.retrieve(admin, file.id)).owner == "alice"


async def test_before_the_lifespan_there_is_nothing_to_call(tmp_path: Path) -> None:
    litebatch = LiteBatch(
        deployments=deployments("http://127.0.0.1:9"),
        storage=f"sqlite:///{tmp_path}/x.db",
        authenticator=by_key,
    )
    with pytest.raises(LifespanNotEntered, match=r"litebatch\.lifespan"):
        _ = litebatch.files
    with pytest.raises(LifespanNotEntered):
        _ = litebatch.batches


async def test_an_upload_that_is_cancelled_leaves_nothing(gateway: InProcess, tmp_path: Path) -> None:
    never = anyio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield lines()
        scope.cancel()
        await never.wait()

    with anyio.CancelScope() as scope:
        await upload(gateway, stuck())
    assert scope.cancelled_caught
    assert open_in(tmp_path / "spool") == []
    assert (await gateway.litebatch.files.list(ALICE)).items == []
