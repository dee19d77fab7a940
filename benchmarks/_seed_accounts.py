"""Keys, teams, users and webhook endpoints, written by SQL in a few statements."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from benchmarks._bulk import copies
from litebatch_asgi.models import Team, User, VirtualKey
from litebatch_asgi.testing import an_endpoint
from litebatch_sql import SQLStorage
from litebatch_sql.tables import ENDPOINTS, KEYS, TEAMS, USERS

SECRET = "sk-owner-of-the-most-batches"
"""of the key of team 0"""
KEY, TEAM, USER, ENDPOINT = "key_0", "0", "user-0", "we_lb00000000000000000000000000"
_TEAMS, _USERS, _KEYS, _ENDPOINTS = 100, 1000, 2000, 20


async def statements(storage: SQLStorage, dialect: str) -> list[str]:
    """Write one of each; the statements that make so many more of them."""
    now = datetime.now(UTC)
    made: dict[str, Any] = {"created_at": now, "updated_at": now, "created_by": "admin"}
    await storage.open()
    await storage.keys.create(Team(id=TEAM, alias="Search", **made))
    await storage.keys.create(User(id=USER, alias="Ada", email="ada@example.com", **made))
    token = sha256(SECRET.encode()).hexdigest()
    await storage.keys.create(
        VirtualKey(
            id=KEY, alias="nightly", token=token, hint="sk-...most", user_id=USER, team_id=TEAM, **made
        )
    )
    await storage.webhook_endpoints.create(an_endpoint(id=ENDPOINT, owner=f"team:{TEAM}"), most=1)
    await storage.close()
    new = {"created_at": "created_at + n"}
    number = "CAST(n AS text)"
    keys = {
        "id": f"'key_' || {number}",
        "alias": f"'alias-' || {number}",
        "token": f"'token ' || {number}",
        "user_id": f"'user-' || CAST(n % {_USERS} AS text)",
        "team_id": f"CAST(n % {_TEAMS} AS text)",
    }
    return [
        copies(TEAMS, dialect, _TEAMS, id=number, **new),
        copies(USERS, dialect, _USERS, id=f"'user-' || {number}", **new),
        copies(KEYS, dialect, _KEYS, **keys, **new),
        copies(ENDPOINTS, dialect, _ENDPOINTS, id=f"'we_lb' || {number}", **new),
    ]
