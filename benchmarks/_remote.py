"""A gateway anywhere, by its URL and a key: the calls of a client with batches, and how long each takes."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from benchmarks._content import Content

_BOUNDARY = "benchmark-5d1c08e7b2"
_TIMEOUT_SECONDS = 120.0
_PAGE = 20
_ENDED = ("completed", "failed", "expired", "cancelled")
_RESULTS = ("output_file_id", "error_file_id")


class Remote:
    """It, and what was made there. The model's name goes with uploads and lists: some gateways need it.

    Each call raises `RuntimeError` if it is refused.
    """

    def __init__(self, url: str, key: str, model: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"{url!r} is no URL of a gateway")
        self._connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host = parts.netloc
        self._prefix = parts.path.rstrip("/").removesuffix("/v1") + "/v1"
        self._key = key
        self._model = model
        self._connection: HTTPConnection | None = None
        self.files: list[str] = []
        self.batches: list[str] = []

    @contextmanager
    def connected(self) -> Generator[None]:
        """Calls go over one connection while the block lasts, which is open before the first."""
        with closing(self._connect(self._host, timeout=_TIMEOUT_SECONDS)) as connection:
            connection.connect()
            self._connection = connection
            try:
                yield
            finally:
                self._connection = None

    def upload(self, content: Content) -> float:
        """Upload a file; milliseconds."""
        body = b"".join([self._form_head(), *content.blocks(), f"\r\n--{_BOUNDARY}--\r\n".encode()])
        kind = f"multipart/form-data; boundary={_BOUNDARY}"
        took, made = self._call("POST", "/files", body, kind)
        self.files.append(made["id"])
        return took

    def create(self, file_id: str) -> float:
        """Make a batch of a file; milliseconds."""
        asked = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        took, made = self._call("POST", "/batches", msgspec.json.encode(asked))
        self.batches.append(made["id"])
        return took

    def get(self, batch_id: str) -> float:
        """Ask for a batch; milliseconds."""
        took, seen = self._call("GET", f"/batches/{quote(batch_id, safe='')}")
        if seen["id"] != batch_id:
            raise RuntimeError(f"{seen['id']} came for {batch_id}")
        return took

    def list(self) -> float:
        """Ask for a page of batches; milliseconds."""
        took, page = self._call("GET", f"/batches?limit={_PAGE}&target_model_names={quote(self._model)}")
        if not page["data"]:
            raise RuntimeError("the list of batches is empty")
        return took

    def clean_up(self) -> int:
        """Cancel the batches that have not ended and delete the files, results too; how many stay."""
        left = 0
        with self.connected():
            for each in self.batches:
                at = f"/batches/{quote(each, safe='')}"
                is_cancelled = self._is_done("POST", f"{at}/cancel")
                _, batch = self._call("GET", at)
                left += not is_cancelled and batch["status"] not in _ENDED
                self.files += [id_ for name in _RESULTS if (id_ := batch.get(name))]
            left += sum(not self._is_done("DELETE", f"/files/{quote(each, safe='')}") for each in self.files)
        return left

    def _is_done(self, method: str, path: str) -> bool:
        try:
            self._call(method, path)
        except RuntimeError:
            return False
        return True

    def _form_head(self) -> bytes:
        fields = (("purpose", "batch"), ("target_model_names", self._model))
        part = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="'
        return (
            "".join(f'{part}{name}"\r\n\r\n{value}\r\n' for name, value in fields)
            + f'{part}file"; filename="requests.jsonl"\r\nContent-Type: application/jsonl\r\n\r\n'
        ).encode()

    def _call(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[float, Any]:
        assert self._connection is not None, "calls go inside connected()"
        headers = {"Authorization": f"Bearer {self._key}"} | ({"Content-Type": kind} if body else {})
        began = time.perf_counter()
        self._connection.request(method, f"{self._prefix}{path}", body, headers)
        response = self._connection.getresponse()
        answer = response.read()
        took = 1000 * (time.perf_counter() - began)
        if response.status // 100 != 2:
            raise RuntimeError(f"{method} {path} at {self._host}: {response.status} {answer[:2000]!r}")
        return took, msgspec.json.decode(answer)
