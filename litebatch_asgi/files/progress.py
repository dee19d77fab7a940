"""How far the copies of one upload are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

import anyio

from litebatch_asgi.errors import LiteBatchError
from litebatch_asgi.models import FileCopy


class Progress:
    """Whether each tile is somewhere, while copies of them are sent.

    `spares` are deployments by tile, to be tried where none of the others has taken it.
    """

    def __init__(self, copies: Sequence[FileCopy], spares: Mapping[int, Sequence[str]]) -> None:
        self._left = Counter(copy.shard for copy in copies)
        self._tiles = set(self._left)
        self._spares = {tile: list(ids) for tile, ids in spares.items()}
        self._scopes: list[anyio.CancelScope] = []
        self._is_given_up = False
        self.taken: set[int] = set()
        self.lost: int | None = None
        """a tile that no deployment has taken; None: there is none yet"""
        self.errors: defaultdict[int, dict[str, LiteBatchError]] = defaultdict(dict)
        """by tile and deployment"""
        self.settled: anyio.Event = anyio.Event()
        """set once every tile was taken, or one is lost"""
        self.ended: anyio.Event = anyio.Event()

    @contextmanager
    def sending(self) -> Generator[anyio.CancelScope]:
        """One of them, which `give_up` cancels."""
        with anyio.CancelScope() as scope:
            self._scopes.append(scope)
            if self._is_given_up:
                scope.cancel()
            yield scope

    def give_up(self) -> None:
        """Cancel those that are still under way."""
        self._is_given_up = True
        for scope in self._scopes:
            scope.cancel()

    def spare_for(self, tile: int) -> str | None:
        """Where a tile is to be sent that another deployment has not taken; it counts as being sent then."""
        spares = self._spares.get(tile)
        if not spares or tile in self.taken or self._is_given_up:
            return None
        self._left[tile] += 1
        return spares.pop(0)

    def one_ended(self, tile: int, deployment_id: str, error: LiteBatchError | None) -> None:
        """A copy was sent, or why it was not."""
        self._left[tile] -= 1
        if error is None:
            self.taken.add(tile)
        else:
            self.errors[tile][deployment_id] = error
        if self.lost is None and tile not in self.taken and not self._left[tile]:
            self.lost = tile
        if self.lost is not None or self.taken == self._tiles:
            self.settled.set()
        if not self._left.total():
            self.ended.set()
