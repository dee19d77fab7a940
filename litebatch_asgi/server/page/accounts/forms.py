"""Forms about keys, teams and users. What is refused is shown again, with what is wrong at its field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import htpy as h
from htpy import Element, Node

from litebatch_asgi.errors import RequestError
from litebatch_asgi.models.keys import PROXY_ADMIN
from litebatch_asgi.page import Visit
from litebatch_asgi.page.parts import area, choice, field, tick, token
from litebatch_asgi.server.page.accounts.entries import BUDGETS, LIMITS, Entry, Kind

ROLE = "user_role"


def form(
    visit: Visit,
    path: str,
    entries: Sequence[Entry],
    typed: Mapping[str, str],
    *,
    label: str,
    hidden: Mapping[str, str] | None = None,
    error: RequestError | None = None,
) -> Element:
    """A form with what was typed, and what is wrong with it."""
    limits = [entry for entry in entries if entry in LIMITS]
    budgets = [entry for entry in entries if entry in BUDGETS]
    others = [entry for entry in entries if entry not in LIMITS and entry not in BUDGETS]
    is_at_field = error is not None and any(error.param == entry.name for entry in entries)
    return h.form(".form", method="post", action=visit.url(path))[
        token(visit),
        (h.input(type="hidden", name=name, value=value) for name, value in (hidden or {}).items()),
        h.p(role="alert")[error.message] if error is not None and not is_at_field else None,
        (_shown(entry, typed, error) for entry in others),
        _group("Budget", budgets, typed, error),
        _group("Limits", limits, typed, error),
        h.button(type="submit")[label],
    ]


def _group(
    title: str, entries: Sequence[Entry], typed: Mapping[str, str], error: RequestError | None
) -> Node:
    if not entries:
        return None
    return h.fieldset[
        h.legend[f"{title} (empty: none)"], h.div(".pair")[(_shown(entry, typed, error) for entry in entries)]
    ]


def _shown(entry: Entry, typed: Mapping[str, str], error: RequestError | None) -> Element:
    value = typed.get(entry.name)
    wrong = error.message if error is not None and error.param == entry.name else None
    if entry.kind is Kind.TICK:
        return tick(entry.label, entry.name, is_ticked=bool(value))
    if entry.name == ROLE:
        return _role(entry, value)
    if entry.kind is Kind.LINES:
        return area(entry.label, entry.name, value, hint=entry.hint, wrong=wrong)
    inputmode = "numeric" if entry.kind is Kind.NUMBER else None
    return field(
        entry.label, entry.name, value, hint=entry.hint, wrong=wrong, inputmode=inputmode, autocomplete="off"
    )


def _role(entry: Entry, value: str | None) -> Element:
    """The role that means something, and the one that it is."""
    options = [("", "may use its own alone"), (PROXY_ADMIN, "admin: sees and does everything")]
    if value and value != PROXY_ADMIN:
        options.append((value, value))
    return choice(entry.label, entry.name, options, value)
