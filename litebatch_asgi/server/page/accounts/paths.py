"""Where one key, team or user is. Ids may hold anything, and are in queries and fields."""

from __future__ import annotations

from urllib.parse import urlencode


def path_of(path: str, account_id: str) -> tuple[str, dict[str, str | None]]:
    """Path and query, as `Visit.url` takes them; `path` is that of the list."""
    return f"{path}/one", {"id": account_id}


def moved_to(path: str, account_id: str) -> str:
    """The same, as `Moved` has it."""
    return f"{path}/one?{urlencode({'id': account_id})}"
