"""Paths of accounts: what lies below `/{account}`, and for the account `default` at the root as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

from starlette.routing import Match, Route
from starlette.types import Scope

from .calls import Endpoint, Handler, Naming
from .dialects import Dialect, ErrorWording
from .settings import FlavourName
from .state import SimulatorState

D = TypeVar("D", bound=Dialect)
CallPath = tuple[str, str, Naming, Handler[D]]
"""method, path below the mount, name, and what answers"""


class AccountRoute(Route):
    """A route that only accounts of one flavour have."""

    def __init__(
        self, simulator: SimulatorState, flavour: FlavourName, path: str, method: str, endpoint: Endpoint[Any]
    ) -> None:
        super().__init__(path, endpoint, methods=[method])
        self._simulator = simulator
        self._flavour = flavour

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As `Route` has it, unless the account is of another flavour."""
        match, found = super().matches(scope)
        if match is not Match.NONE:
            account = found["path_params"].get("account", "default")
            if self._simulator.settings_of(account).flavour != self._flavour:
                return Match.NONE, {}
        return match, found


class Mounted(Generic[D]):
    """The calls that one dialect has below `path`, such as `/v1`; several dialects may lie at one path."""

    def __init__(self, path: str, dialect: D, calls: Sequence[CallPath[D]]) -> None:
        self._path = path
        self._dialect = dialect
        self._calls = calls

    def routes(self, simulator: SimulatorState, flavour: FlavourName, prefix: str) -> Iterator[AccountRoute]:
        """The routes of all calls, with `prefix` before their paths."""
        for method, path, name, handler in self._calls:
            endpoint = Endpoint(simulator, name, handler, self._dialect)
            yield AccountRoute(simulator, flavour, f"{prefix}{self._path}{path}", method, endpoint)

    def roots(self) -> Iterator[str]:
        """The first segments of all paths, which are no names of accounts."""
        for _, path, _, _ in self._calls:
            yield f"{self._path}{path}".split("/")[1]


class FlavourPaths:
    """All paths of one flavour, and the dialect in which those that do not exist are refused."""

    def __init__(self, *mounted: Mounted[Any], errors: ErrorWording) -> None:
        self.mounted: tuple[Mounted[Any], ...] = mounted
        self.errors = errors
