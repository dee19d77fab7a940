"""The same done to several objects: one that fails keeps none of the others back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from click.exceptions import Exit

from litebatch_asgi.cli.client.errors import Refused
from litebatch_asgi.cli.failing import CommandFailed
from litebatch_asgi.cli.telling import tell

T = TypeVar("T")


class Several(Generic[T]):
    """Does something to each of some objects, and tells what has failed."""

    def __init__(self, ids: Sequence[str], do: Callable[[str], T]) -> None:
        self._ids = ids
        self._do = do
        self._has_failed = False

    def __iter__(self) -> Iterator[T]:
        """What came of each, as far as it was done; a server that does not answer is asked no more."""
        for each in self._ids:
            try:
                yield self._do(each)
            except CommandFailed as error:
                self._has_failed = True
                tell(f"error: {error}")
                if not isinstance(error, Refused):
                    return

    def end(self) -> None:
        """Exit code 1 unless all was done."""
        if self._has_failed:
            raise Exit(1)
