"""Reads lists whose pages have numbers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from litebatch_asgi.errors import NoClearAnswer
from litebatch_asgi.providers.openai.reading import ListPage, Object

ReadPage = Callable[[int], Awaitable[ListPage]]
_MOST_STEPS_BACK = 100


class NumberedPages:
    """The pages of one list, one after the other.

    What is deleted meanwhile moves all that follows it up, and some of that onto pages that were read. So
    where the list has become shorter, pages are read again, from that on to which something may have moved.
    What is made meanwhile moves things down: they are shown twice.

    Args:
        read: gives the page of a number, from 0.
        size: objects of a page.

    """

    def __init__(self, read: ReadPage, size: int) -> None:
        self._read = read
        self._size = size
        self._number = 0
        self._total: int | None = None
        self._steps_back = 0

    async def next(self, after: str | None) -> ListPage:
        """The next page, and what was read again; `after` only tells that there was one before.

        Raises what `read` raises, and `NoClearAnswer` for a list that becomes shorter all the time.
        """
        last = self._number
        found: list[Object] = []
        passed_over: list[object] = []
        while True:
            page = await self._read(self._number)
            lost = self._lost(page.total)
            if lost and self._number:
                self._step_back(lost)
                continue
            found += page.items
            passed_over += page.passed_over
            self._number += 1
            if self._number > last:
                return ListPage(
                    items=tuple(found), has_more=self._has_more(page), passed_over=tuple(passed_over)
                )

    def _lost(self, total: int | None) -> int:
        """How much shorter the list has become."""
        before, self._total = self._total, total
        return 0 if before is None or total is None else max(0, before - total)

    def _step_back(self, lost: int) -> None:
        self._steps_back += 1
        if self._steps_back > _MOST_STEPS_BACK:
            raise NoClearAnswer("the list becomes shorter all the time")
        self._number = max(0, self._number - -(-lost // self._size))

    def _has_more(self, page: ListPage) -> bool | None:
        if page.has_more is not None or page.total is None:
            return page.has_more
        return self._number * self._size < page.total
