"""What is told of one key, team or user, and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from htpy import Node

from litebatch_asgi.models import Account, VirtualKey
from litebatch_asgi.models.periods import reset_at
from litebatch_asgi.page import Visit
from litebatch_asgi.page.parts import chip, facts, post, when
from litebatch_asgi.server.keys.spending import Spent
from litebatch_asgi.server.page.accounts.budgets import budget
from litebatch_asgi.server.page.accounts.kinds import A, AccountKind

_MOST_MODELS = 5


def state_of(account: Account, now: datetime) -> Node:
    """Whether it counts."""
    if account.blocked:
        return chip("blocked")
    if isinstance(account, VirtualKey) and account.expires_at is not None and account.expires_at <= now:
        return chip("expired")
    return chip("ready", "in use")


def models_of(account: Account) -> Node:
    """What it may use, in short."""
    if not account.models:
        return "all"
    more = len(account.models) - _MOST_MODELS
    shown = ", ".join(account.models[:_MOST_MODELS])
    return f"{shown} and {more} more" if more > 0 else shown


def buttons(visit: Visit, kind: AccountKind[A], account: A) -> Sequence[Node]:
    """What can be done with it."""
    fields, path, word = {"id": account.id}, kind.path, kind.word
    shown = [
        post(visit, f"{path}/unblock", "Unblock", fields=fields, class_="quiet")
        if account.blocked
        else post(visit, f"{path}/block", "Block", fields=fields, class_="quiet")
    ]
    if isinstance(account, VirtualKey):
        asked = "The secret that it has now counts no more."
        shown.append(post(visit, f"{path}/regenerate", "Regenerate", fields=fields, confirm=asked))
    asked = f"{kind.called(account)} is deleted for good. {kind.delete}"
    shown.append(post(visit, f"{path}/delete", f"Delete the {word}", fields=fields, confirm=asked))
    return shown


def about(visit: Visit, kind: AccountKind[A], account: A, spent: Spent) -> Node:
    """What is known of it."""
    reset = reset_at(account.budget_duration, visit.now)
    return facts(
        [
            ("State", state_of(account, visit.now)),
            *kind.facts(visit, account),
            ("Spent", budget(account, spent)),
            ("Budget begins anew", when(reset) if reset is not None else None),
            ("Created", when(account.created_at)),
            ("Created by", account.created_by),
            ("Changed", when(account.updated_at)),
        ]
    )
