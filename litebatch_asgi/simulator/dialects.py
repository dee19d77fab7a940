"""How an account speaks over HTTP: keys, errors, headers, and what files and batches look like.

A dialect belongs to a path, not to an account: Azure has two, `/openai` with an `api-version` and
`/openai/v1` without.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec
from starlette.requests import Request

from .account import Account, NewBatch
from .json_values import JSON
from .lists import Page, Query, list_of, query_of
from .objects import BatchObject, FileObject
from .settings import SimulatorSettings
from .validation import Examined
from .wire import DAY, PURPOSES, ApiError


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about a batch that may be created."""

    headers: dict[str, str] = {}
    """of the answer"""
    examined: Examined | None = None
    """the input, if it was looked at"""


class ErrorWording(Protocol):
    """How errors are told."""

    def error(self, error: ApiError) -> JSON:
        """The body of an answer that is an error."""
        ...


class Dialect(ErrorWording, Protocol):
    """What every call leaves to the dialect of its path."""

    def object_id(self, request: Request) -> str | None:
        """The id of the file or batch that a request names; None where it names none."""
        ...

    def api_key(self, headers: Mapping[str, str]) -> str | None:
        """The key of a request; None without one."""
        ...

    def passes(self, account: Account, key: str | None) -> bool:
        """Whether a request with this key, None being none, is let through to the account."""
        ...

    def wrong_key(self, key: str | None) -> ApiError:
        """The refusal of a key that is unknown, or not there."""
        ...

    def check_request(self, request: Request) -> None:
        """Look at what every call must have. Raises ApiError."""
        ...

    def headers(self, settings: SimulatorSettings, milliseconds: int) -> dict[str, str]:
        """Headers of every answer, after so much work."""
        ...


class OpenAILikeDialect(Dialect, Protocol):
    """What `files_api` and `batches_api` leave to the dialect of their path beside that."""

    endpoints: tuple[str, ...]
    """what a batch may be created for"""
    least_expiry: int
    """seconds, of `expires_after`"""
    created: int
    """status of an answer to what made an object"""
    purposes: tuple[str, ...]
    """what a file may be uploaded for"""
    most_input_bytes: int
    """of a batch input, unless the settings say otherwise"""

    def window_seconds(self, window: str) -> int | None:
        """How long a completion window is; None: it is not supported."""
        ...

    def query(self, params: Mapping[str, str], *, default: int, most: int) -> Query:
        """Which page of a list is asked for, `default` and `most` being numbers of objects."""
        ...

    def listed(self, page: Page) -> JSON:
        """The list object around a page."""
        ...

    async def check_input(self, account: Account, path: Path) -> None:
        """Look at the content of a batch input as it is uploaded. Raises ApiError."""
        ...

    def check_upload(self, account: Account, seconds: int | None) -> None:
        """Look whether there is room for a batch input with this `expires_after`. Raises ApiError."""
        ...

    async def admit(self, account: Account, asked: NewBatch) -> Admission:
        """Look whether a batch may be created. Raises ApiError."""
        ...

    def location(self, request: Request, object_id: str) -> dict[str, str]:
        """Headers that say where the object is that the request made."""
        ...

    def file(self, shown: FileObject) -> Any:
        """A file as clients see it."""
        ...

    def batch(self, shown: BatchObject, settings: SimulatorSettings) -> Any:
        """A batch as clients see it."""
        ...


async def examined_in_haste(account: Account, asked: NewBatch) -> Examined | None:
    """The input of a batch that is about to be created, where `fail_fast` has it looked at.

    None where it has not, or the input is not there. Raises ApiError if its queue has no room for it.
    """
    stored = account.file_store.find(asked.input_file_id, account.settings.project)
    if not account.settings.fail_fast or stored is None:
        return None
    try:
        examined = await account.examine(stored.path, asked.endpoint)
    except FileNotFoundError:
        return None
    over = account.queues.over_limit(examined)
    if over is not None:
        raise ApiError(account.settings.fail_fast_status, over.message, code=over.code)
    return examined


class OpenAIWays:
    """What the dialects of OpenAI and of those that are nearly like it have in common."""

    purposes: tuple[str, ...] = PURPOSES
    most_input_bytes = 200 * 1024 * 1024

    def window_seconds(self, window: str) -> int | None:
        """A day, and nothing else."""
        return DAY if window == "24h" else None

    def query(self, params: Mapping[str, str], *, default: int, most: int) -> Query:
        """By `limit`, `after` and `order`."""
        return query_of(params, default=default, most=most)

    def listed(self, page: Page) -> JSON:
        """With `has_more`."""
        return list_of(page)

    async def check_input(self, account: Account, path: Path) -> None:
        """Nothing is looked at."""


class SettingsKeys:
    """The keys of a dialect that `SimulatorSettings.api_keys` lists, and whose paths name an `object_id`."""

    def object_id(self, request: Request) -> str | None:
        """The parameter of that name."""
        return request.path_params.get("object_id")

    def passes(self, account: Account, key: str | None) -> bool:
        """Whether it is there, and listed unless none are."""
        known = account.settings.api_keys
        return key is not None and (known is None or key in known)
