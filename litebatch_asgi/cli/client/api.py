"""Files and batches of a server, and what a LiteBatch has beside OpenAI's API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from litebatch_asgi.cli.client.answers import listed, members, text
from litebatch_asgi.cli.client.connection import Call, Connection
from litebatch_asgi.cli.client.errors import Refused, WrongAnswer
from litebatch_asgi.cli.client.objects import Batch, File, batch_of, file_of
from litebatch_asgi.cli.client.uploading import Form

ABSENT = frozenset({404, 405, 501})
"""statuses of what a server does not have"""
PAGE = 100
MOST_PAGES = 1000
"""of a list that is read to its end"""


class API:
    """What a server can be asked for. Every method raises `CommandFailed`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def upload(self, form: Form, key: str) -> File:
        """Send a file."""
        return file_of(self._call("POST", "/files", content=form, key=key))

    def file(self, file_id: str) -> File:
        """Look at a file."""
        return file_of(self._call("GET", f"/files/{_id(file_id)}"))

    def delete_file(self, file_id: str) -> None:
        """Delete a file."""
        self._call("DELETE", f"/files/{_id(file_id)}")

    def files(self, limit: int, purpose: str | None) -> Iterator[File]:
        """The newest files."""
        query = {} if purpose is None else {"purpose": purpose}
        return map(file_of, self._listed("/files", limit, query))

    def create(
        self, body: Mapping[str, Any], key: str, done: Callable[[], dict[str, Any] | None] | None = None
    ) -> Batch:
        """Create a batch; `done` looks before another try whether the one before has made it."""
        call = Call(method="POST", path="/batches", json=body, key=key)
        return batch_of(self._connection.call(call, done=done))

    def batch(self, batch_id: str) -> Batch:
        """Look at a batch."""
        return batch_of(self._call("GET", f"/batches/{_id(batch_id)}"))

    def batches(self, limit: int) -> Iterator[Batch]:
        """The newest batches."""
        return map(batch_of, self._listed("/batches", limit, {}))

    def cancel(self, batch_id: str) -> Batch:
        """Cancel a batch."""
        return batch_of(self._call("POST", f"/batches/{_id(batch_id)}/cancel"))

    def retry(self, batch_id: str, key: str, choice: Mapping[str, Any]) -> Batch:
        """Run again what has not succeeded, or what of it `choice` names; LiteBatch alone can."""
        return batch_of(self._call("POST", f"/batches/{_id(batch_id)}/retry", json=choice, key=key))

    def events(self, batch_id: str, after: str | None) -> Iterator[dict[str, Any]]:
        """What has happened to a batch since an event, the oldest first; LiteBatch alone knows."""
        path = f"/batches/{_id(batch_id)}/events"
        return self._listed(path, None, {"order": "asc"}, after=after)

    def dry_run(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """What would become of a batch; None: the server cannot tell."""
        try:
            return self._call("POST", "/batches/dry_run", json=body)
        except Refused as error:
            if error.status in ABSENT:
                return None
            raise

    def virtual_models(self) -> Sequence[str]:
        """The virtual models of a gateway, LiteBatch or LiteLLM; none at other servers."""
        for is_beside in (False, True):
            try:
                told = self._call("GET", "/model_group/info", is_beside=is_beside)
            except (Refused, WrongAnswer):
                continue
            names = (text(members(each).get("model_group")) for each in listed(told.get("data")))
            return [name for name in names if name is not None]
        return ()

    def _listed(
        self, path: str, most: int | None, query: Mapping[str, str], after: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """Objects of a list, page by page, at most so many."""
        left, pages = most, 0
        while left is None or left > 0:
            limit = PAGE if left is None else min(left, PAGE)
            page = self._call(
                "GET", path, query={**query, "limit": limit} | ({"after": after} if after else {})
            )
            found = [members(each) for each in listed(page.get("data"))]
            yield from found[:limit]
            last = text(found[-1].get("id")) if found else None
            if page.get("has_more") is not True or last is None or last == after:
                return
            after, left, pages = last, None if left is None else left - len(found), pages + 1
            if left is None and pages >= MOST_PAGES:
                raise WrongAnswer(f"GET {path} is a list without an end: {pages} pages of it have come")

    def _call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        return self._connection.call(Call(method=method, path=path, **more))


def _id(object_id: str) -> str:
    return quote(object_id, safe="")
