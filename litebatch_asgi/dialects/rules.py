"""Per parameter of OpenAI's API what becomes of it: the tables of the dialects are made of these rules.

A value of null is as good as none for every parameter. What no rule names is refused, so that nothing unknown
is passed on and nothing is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from litebatch_asgi.dialects.refusal import Refusal, unsupported
from litebatch_asgi.dialects.values import Object, is_same

Draft = TypeVar("Draft")
"""The request to a provider while it is being written."""

Write: TypeAlias = Callable[[Draft, Any, str], None]
"""Writes the value of a parameter, whose place is named for refusals, into a draft."""


class Handling(Enum):
    """What becomes of a parameter."""

    MAPPED = "mapped"
    """the provider is given it, perhaps under another name"""
    NEUTRAL = "neutral"
    """left out, which is right only where its value is what the provider does anyway"""
    WITHOUT_EFFECT = "without effect"
    """left out: it changes nothing about the answer"""
    REFUSED = "refused"


class Rule(msgspec.Struct, Generic[Draft], frozen=True):
    """What becomes of one parameter."""

    handling: Handling
    why: str = ""
    """of whatever is not mapped, for clients: why not, and what to do instead"""
    neutral: tuple[object, ...] = ()
    """values that can be left out"""
    write: Write[Draft] | None = None
    """of what is mapped; refuses values that the provider does not take"""


def mapped(write: Write[Draft], *, neutral: tuple[object, ...] = ()) -> Rule[Draft]:
    """A parameter that the provider is given, except where it says what holds anyway."""
    return Rule(Handling.MAPPED, neutral=neutral, write=write)


def neutral(*values: object, why: str) -> Rule[Any]:
    """A parameter that the provider does not have, and that changes nothing at these values."""
    return Rule(Handling.NEUTRAL, why, values)


def without_effect(why: str) -> Rule[Any]:
    """A parameter that says nothing about the answer."""
    return Rule(Handling.WITHOUT_EFFECT, why)


def refused(why: str) -> Rule[Any]:
    """A parameter that cannot be had."""
    return Rule(Handling.REFUSED, why)


def apply_rules(
    rules: Mapping[str, Rule[Draft]], body: Object, draft: Draft, lacks: Mapping[str, str]
) -> None:
    """Write all parameters of `body` into `draft`.

    Args:
        rules: by the names of parameters.
        body: of the request line.
        draft: what the rules write to.
        lacks: names of parameters that this model in particular does not take, and why not.

    Raises:
        Refusal: for the first parameter that cannot be had.

    """
    for name, value in body.items():
        rule = rules.get(name)
        if rule is None:
            message = (
                f"Unknown parameter: 'body.{name}'. It is not known here and would be lost; leave it out."
            )
            raise Refusal("unknown_parameter", f"body.{name}", message)
        if value is None or rule.handling is Handling.WITHOUT_EFFECT:
            continue
        if rule.neutral and any(is_same(value, one) for one in rule.neutral):
            continue
        if name in lacks:
            raise unsupported(f"body.{name}", lacks[name])
        if rule.write is None:
            raise unsupported(f"body.{name}", rule.why)
        rule.write(draft, value, f"body.{name}")
