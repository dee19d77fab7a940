"""The fields of forms about keys, teams and users, and the bodies that are made of what was typed.

The bodies are those of the HTTP API, and are checked as these are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum, auto
from typing import TypeVar

import msgspec

from litebatch_asgi.models import Account
from litebatch_asgi.server.keys.bodies import Fields
from litebatch_asgi.server.keys.parsing import parse_body
from litebatch_asgi.wire import checks

F = TypeVar("F", bound=Fields)


class Kind(Enum):
    """What is typed into a field."""

    TEXT = auto()
    NUMBER = auto()
    LINES = auto()
    """a list of texts, one a line"""
    TICK = auto()


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A field, by the name that it has in a body."""

    name: str
    label: str
    kind: Kind = Kind.TEXT
    hint: str | None = None
    field: str | None = None
    """that of accounts, where it has another name there"""
    is_kept: bool = False
    """whether a value stays as it is where nothing is typed; others are taken away"""


BUDGETS = (
    Entry(name="max_budget", label="Budget, US dollars"),
    Entry(name="soft_budget", label="Warn from, US dollars"),
    Entry(
        name="budget_duration", label="Budget begins anew after", hint="Such as 7d, 30d or 1mo. Empty: never."
    ),
)
LIMITS = (
    Entry(name="max_batch_requests", label="Requests in one file", kind=Kind.NUMBER),
    Entry(name="max_open_batches", label="Open batches", kind=Kind.NUMBER),
    Entry(name="max_enqueued_requests", label="Requests of open batches", kind=Kind.NUMBER),
    Entry(name="max_enqueued_tokens", label="Tokens of open batches", kind=Kind.NUMBER),
    Entry(name="max_file_bytes", label="Bytes of one file", kind=Kind.NUMBER),
    Entry(name="max_files", label="Files", kind=Kind.NUMBER),
)
MODELS = Entry(
    name="models",
    label="Models and access groups, one a line",
    kind=Kind.LINES,
    hint="Empty: all of them.",
)
COMMON = (MODELS, *BUDGETS, *LIMITS)
"""what can be said of keys, teams and users alike"""
DURATION = Entry(name="duration", label="Expires after", hint="Such as 12h, 30d or 2mo. Empty: never.")
INHERIT = Entry(
    name="inherit",
    label="Own the files and batches that an earlier one of this id left",
    kind=Kind.TICK,
)


def asked(
    form: Mapping[str, str], entries: Sequence[Entry], wanted: type[F], **named: str
) -> tuple[F, list[str]]:
    """The body that a form stands for, and what of it has no effect; `named` says which account is meant.

    Raises `InvalidRequest` with the parameter that is wrong.
    """
    body: dict[str, object] = dict(named)
    for entry in entries:
        value = _value(entry, form.get(entry.name, ""))
        if value is not None or (named and not entry.is_kept):
            body[entry.name] = value
    return parse_body(msgspec.json.encode(body), wanted)


def _value(entry: Entry, typed: str) -> object:
    """What was typed, as JSON has it; None: nothing was."""
    if entry.kind is Kind.TICK:
        return bool(typed)
    if entry.kind is Kind.LINES:
        return [line.strip() for line in typed.splitlines() if line.strip()] or None
    if not typed:
        return None
    return checks.integer(typed, entry.name) if entry.kind is Kind.NUMBER else typed


def typed_of(account: Account, entries: Sequence[Entry]) -> dict[str, str]:
    """What would be typed to say what an account has."""
    typed: dict[str, str] = {}
    for entry in entries:
        value = getattr(account, entry.field or entry.name, None)
        if entry.kind is Kind.LINES:
            typed[entry.name] = "\n".join(value or ())
        elif value is not None:
            typed[entry.name] = f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
    return typed
