"""What answers of Google's JSON APIs have in common."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeAlias, cast

from litebatch_asgi.dialects.reading import read_json
from litebatch_asgi.errors import ContentRefused, DeploymentRefused, NoClearAnswer

Object: TypeAlias = Mapping[str, Any]
MOST_EMPTY_PAGES = 1000
"""in a row; a filter may leave some pages of a list without anything"""


def read_object(answer: bytes) -> Object:
    """The JSON object that an answer is. Raises `NoClearAnswer` if it is none."""
    content = read_json(answer)
    if not isinstance(content, dict):
        raise NoClearAnswer("the answer is not a JSON object")
    return cast("Object", content)


def part_of(content: Object, *names: str) -> Object:
    """The object within an object, down these names; where one is missing, an empty one."""
    for name in names:
        value = content.get(name)
        content = cast("Object", value) if isinstance(value, dict) else {}
    return content


def items_of(content: Object, name: str) -> list[object]:
    """The values of an array; anything else has none."""
    value = content.get(name)
    return cast("list[object]", value) if isinstance(value, list) else []


def text_of(content: Object, name: str) -> str | None:
    """A text that is not empty."""
    value = content.get(name)
    return value.replace("\0", "\ufffd") if isinstance(value, str) and value else None


def time_of(content: Object, name: str) -> datetime | None:
    """A moment in RFC 3339, which may have nanoseconds."""
    value = content.get(name)
    try:
        return datetime.fromisoformat(value).astimezone(UTC) if isinstance(value, str) else None
    except ValueError:
        return None


def count_of(content: Object, name: str) -> int | None:
    """A whole number from 0 on, which protobuf's JSON writes as a text if it has 64 bits."""
    value = content.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


async def all_pages(fetch: Callable[[str | None], Awaitable[Object]], items: str) -> AsyncGenerator[Object]:
    """The objects of a list, page by page; ends normally only if it was complete.

    `fetch` gives the page of a token, or the first one. Raises `NoClearAnswer` for a list that does not end.
    """
    token: str | None = None
    seen: set[str] = set()
    empty = 0
    while True:
        page = await fetch(token)
        if not isinstance(page.get(items, []), list):
            raise NoClearAnswer("the answer is not a list of objects")
        found = items_of(page, items)
        empty = 0 if found else empty + 1
        if empty > MOST_EMPTY_PAGES:
            raise NoClearAnswer(f"the list has {empty} pages without anything, and more")
        for content in found:
            if not isinstance(content, dict):
                raise NoClearAnswer("the list holds something that is no object")
            yield cast("Object", content)
        token = text_of(page, "nextPageToken")
        if token is None:
            return
        if token in seen:
            raise NoClearAnswer("the list repeats itself")
        seen.add(token)


@contextmanager
def content_is_not_to_blame() -> Generator[None]:
    """What Google refuses here is the deployment's fault: no call holds what a client has written."""
    try:
        yield
    except ContentRefused as error:
        raise DeploymentRefused(
            error.message, status=error.status, code=error.code, retry_after=error.retry_after
        ) from error
