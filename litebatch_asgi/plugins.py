"""What installed packages offer by entry points: storages, adapters of providers, strategies, sinks."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Protocol

STORAGES = "litebatch_asgi.storage"
"""the group of storages, by URL scheme"""
PROVIDERS = "litebatch_asgi.providers"
"""the group of adapters, by what `model` begins with"""
STRATEGIES = "litebatch_asgi.strategies"
"""the group of placement strategies, by the name in the configuration"""
CONTENT_STORES = "litebatch_asgi.content_stores"
"""the group of content stores, by URL scheme"""
SINKS = "litebatch_asgi.sinks"
"""the group of sinks, likewise"""


def offered(group: str) -> dict[str, EntryPoint]:
    """What is offered in a group, by name; nothing of it is imported before it is loaded."""
    return {entry.name: entry for entry in _entry_points().select(group=group)}


class _Selectable(Protocol):
    def select(self, *, group: str) -> EntryPoints: ...


@cache
def _entry_points() -> _Selectable:
    """Those of all packages: reading them takes more than everything else before a gateway can start."""
    return entry_points()
