"""Whatever three owners do, in whatever order: nobody is told anything of another's."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.database import SQLiteDatabase
from tests.harness import ENDPOINT, InProcess, lines, running_gateway

OWNERS = ("ant", "bee", "cat")
OPERATIONS = (
    *("upload", "create", "wait"),
    *("file", "content", "delete", "batch", "cancel"),
    *("files", "batches", "files after", "batches after", "files of", "batches of"),
)
IDS = re.compile("(?:file-|batch_)lb[0-9a-z]{26}")
NUMBERS = itertools.count()

Step = tuple[str, int, int]
"""an operation, which owner does it, and which of all objects it is about"""
steps = st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 2), st.integers(0, 50)), max_size=14)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[InProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    async with running_gateway(folder, database=SQLiteDatabase(folder)) as gateway:
        yield gateway


class Owner:
    """One of three: the ids that are its own, and what only it may read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.mark = f"mark-of-{name}-"
        self.files: list[str] = []
        self.batches: list[str] = []
        self.deleted: set[str] = set()


class Story:
    """A sequence of operations, checked against who owns what."""

    def __init__(self, gateway: InProcess) -> None:
        number = next(NUMBERS)
        self._gateway = gateway
        self._owners = [Owner(f"{name}-{number}") for name in OWNERS]  # as no request id in hex can hold
        self._owner_of: dict[str, Owner] = {}

    async def take(self, step: Step) -> None:
        operation, which, index = step
        owner = self._owners[which]
        async with self._gateway.http(owner.name) as http:
            await getattr(self, f"_{operation.replace(' ', '_')}")(http, owner, index)

    def _any(self, kind: str, index: int) -> str:
        ids = [each for each in self._owner_of if each.startswith(kind)]
        return ids[index % len(ids)] if ids else f"{kind}00000000000000000000000000"

    def _is_own(self, owner: Owner, object_id: str) -> bool:
        return self._owner_of.get(object_id) is owner and object_id not in owner.deleted

    def _check(self, answer: httpx2.Response, owner: Owner, asked: str = "") -> None:
        """That nothing in the answer is another owner's, but for the id that was asked for itself."""
        text = f"{answer.headers}\n{answer.text}".replace(asked or "\0", "")
        for other in self._owners:
            if other is not owner:
                assert other.mark not in text
                assert other.name not in text
        for shown in set(IDS.findall(text)):
            assert self._owner_of.setdefault(shown, owner) is owner

    async def _upload(self, http: httpx2.AsyncClient, owner: Owner, index: int) -> None:
        content = lines(1, user=owner.mark).replace(b"request-", owner.mark.encode())
        files = {"file": (f"{owner.mark}{index}.jsonl", content)}
        answer = await http.post("/files", data={"purpose": "batch"}, files=files)
        assert answer.status_code == 200
        owner.files.append(answer.json()["id"])
        self._check(answer, owner)

    async def _create(self, http: httpx2.AsyncClient, owner: Owner, index: int) -> None:
        file_id = self._any("file-lb", index)
        body: dict[str, Any] = {
            "input_file_id": file_id,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": {"note": owner.mark},
        }
        answer = await http.post("/batches", json=body)
        is_input = file_id in owner.files and self._is_own(owner, file_id)
        assert answer.status_code == 200 if is_input else answer.status_code in (400, 404)
        self._check(answer, owner, file_id)
        if is_input:
            owner.batches.append(answer.json()["id"])

    async def _wait(self, http: httpx2.AsyncClient, owner: Owner, index: int) -> None:
        for batch_id in owner.batches:
            batch = await self._gateway.ended(batch_id, key=owner.name)
            for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
                assert self._owner_of.setdefault(file_id, owner) is owner

    async def _one(
        self, http: httpx2.AsyncClient, owner: Owner, method: str, path: str, object_id: str
    ) -> httpx2.Response:
        answer = await http.request(method, path.format(object_id))
        if not self._is_own(owner, object_id):
            assert answer.status_code == 404
        self._check(answer, owner, object_id)
        return answer

    async def _file(self, http: httpx2.AsyncClient, owner: Owner, index: int) -> None:
        await self._one(http, owner, "GET", "/files/{}", self._any("file-lb", index))

    async def _content(self, http: httpx2.AsyncClient, owner: Owner, index: int) -> None:
        await self._one(http, owner, "GET", "/files/{}/content", self._any("file-lb", index))

    async def _delete(self, http: httpx2.AsyncClient, owner: Owner, index: int) -> None:
        file_id = self._any("file-lb", index)
        answer = await self._one(http, owner, "DELETE", "/files/{}", file_id)
        if answer.status_code == 200:
            owner.deleted.add(file_id)

    async def _batch(self, http: httpx2.AsyncClient, owner: Owner, index: int) -> None:
        await self._one(http, owner, "GET", "/batches/{}", self._any("batch_lb", index))

    async def _cancel(self, http: httpx2.AsyncClient, owner: Owner, index: int) -> None:
        await self._one(http, owner, "POST", "/batches/{}/cancel", self._any("batch_lb", index))

    async def _files(self, http: httpx2.AsyncClient, owner: Owner, index: int) -> None:
        await self._list(http, owner, "/files", owner.files, index)

    async def _batches(self, http: httpx2.AsyncClient, owner: Owner, index: int) -> None:
        await self._list(http, owner, "/batches", owner.batches, index)

    async def _list(
        self, http: httpx2.AsyncClient, owner: Owner, path: str, made: list[str], index: int
    ) -> None:
        limit = index % 4 + 1
        answer = await http.get(path, params={"limit": limit})
        self._check(answer, owner)
        listed = [each["id"] for each in answer.json()["data"]]
        assert len(listed) == min(limit, len(listed))
        everything = [each["id"] for each in (await http.get(path, params={"limit": 100})).json()["data"]]
        assert everything[: len(listed)] == listed
        assert [each for each in everything if each in made] == [
            each for each in reversed(made) if each not in owner.deleted
        ]

    async def _files_after(self, http: httpx2.AsyncClient, owner: Owner, index: int) -> None:
        await self._after(http, owner, "/files", self._any("file-lb", index))

    async def _batches_after(self, http: httpx2.AsyncClient, owner: Owner, index: int) -> None:
        await self._after(http, owner, "/batches", self._any("batch_lb", index))

    async def _after(self, http: httpx2.AsyncClient, owner: Owner, path: str, last: str) -> None:
        answer = await http.get(path, params={"after": last})
        assert answer.status_code == (200 if self._is_own(owner, last) else 400)
        self._check(answer, owner, last)

    async def _files_of(self, http: httpx2.AsyncClient, owner: Owner, index: int) -> None:
        await self._of(http, owner, "/files", self._owners[index % 3])

    async def _batches_of(self, http: httpx2.AsyncClient, owner: Owner, index: int) -> None:
        await self._of(http, owner, "/batches", self._owners[index % 3])

    async def _of(self, http: httpx2.AsyncClient, owner: Owner, path: str, other: Owner) -> None:
        answer = await http.get(path, params={"owner": other.name})
        assert answer.status_code == (200 if other is owner else 403)
        self._check(answer, owner)


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # a story is short, and each takes its time
)
@given(steps=steps)
async def test_nobody_is_told_anything_of_anothers(gateway: InProcess, steps: list[Step]) -> None:
    story = Story(gateway)
    for which in range(3):  # otherwise most stories end before there is anything to see
        await story.take(("upload", which, which))
        await story.take(("create", which, which))
    for step in steps:
        await story.take(step)
