"""Which key something was made with."""

from __future__ import annotations

import htpy as h
from htpy import Node

from litebatch_asgi.page.parts import told
from litebatch_asgi.page.visit import Visit


async def key_named(visit: Visit, key_id: str | None) -> Node:
    """A key by its alias, if it has one, and its id: for admins alone."""
    if key_id is None or not visit.principal.is_admin:
        return None
    alias = (await visit.services.operators.key_aliases([key_id])).get(key_id)
    id_ = h.span(".id")[told(key_id)]
    return [told(alias), " (", id_, ")"] if alias else id_
