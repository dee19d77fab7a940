"""What was charged to keys, users and teams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from litebatch_asgi.ledger import Ledger
from litebatch_asgi.models import Account, Team, User, VirtualKey
from litebatch_asgi.models.periods import period_start

Spent: TypeAlias = Mapping[str, Decimal]
"""US dollars by the scope of an account, such as `team:search`"""

_WORDS: Mapping[type[Account], str] = {VirtualKey: "key", User: "user", Team: "team"}


def scope_of(account: Account) -> str:
    """The scope that what is made in the name of an account counts in."""
    return f"{_WORDS[type(account)]}:{account.id}"


async def spent_by(ledger: Ledger, accounts: Iterable[Account], today: date) -> Spent:
    """What was charged to each account since its present budget period began, by one query."""
    since = {scope_of(account): period_start(account.budget_duration, today) for account in accounts}
    return await ledger.spent(since) if since else {}
