"""What was spent of a budget."""

from __future__ import annotations

from decimal import Decimal

import htpy as h
from htpy import Element, Node

from litebatch_asgi.models import Account
from litebatch_asgi.page.parts import amount
from litebatch_asgi.server.keys.spending import Spent, scope_of


def budget(account: Account, spent: Spent) -> Node:
    """A bar of what was spent in the present period, and the numbers."""
    used = spent[scope_of(account)]
    if account.max_budget is None:
        return amount(used)
    return _bar(used, account.max_budget, account.soft_budget)


def _bar(used: Decimal, most: Decimal, soft: Decimal | None) -> Element:
    percent = min(100 * used / most, Decimal(100)) if most else Decimal(100)
    tone = "bad" if used >= most else "warn" if soft is not None and used > soft else "done"
    return h.div(".budget")[
        h.svg(viewBox="0 0 100 1", preserveAspectRatio="none", aria_hidden="true", focusable="false")[
            h.rect(".track", width="100", height="1"),
            h.rect(class_=tone, width=f"{percent:.2f}", height="1"),
        ],
        h.span[f"{amount(used)} of {amount(most)}"],
    ]
