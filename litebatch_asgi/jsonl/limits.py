"""How long the answers to a request may be, as its body says and as its endpoint reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import TypeAlias

import msgspec
from msgspec import UNSET

from litebatch_asgi.jsonl.request_body import NOTHING, Body, Scalar

LONGEST_ANSWER = 10_000_000
"""tokens; a limit above counts as none"""
MOST_ANSWERS = 128
"""to one request, as OpenAI has it; an `n` above counts as that"""

Allowed: TypeAlias = tuple[int, int]
"""Tokens of all answers that are limited together, and how many answers are not limited."""

_Limits: TypeAlias = Callable[[Body], tuple[Scalar, ...]]
_LIMITS: Mapping[str | None, _Limits] = {
    "/v1/chat/completions": attrgetter("max_tokens", "max_completion_tokens"),
    "/v1/responses": lambda body: (body.max_output_tokens,),
    "/v1/completions": lambda body: (body.max_tokens,),
}
"""Members of a body that limit its answers, by the endpoint that reads them; see OpenAI's API reference."""


def _none(_: Body) -> tuple[Scalar, ...]:
    return ()


_decode_prompts = msgspec.json.Decoder(list[msgspec.Raw]).decode


def allowed(body: Body | None, url: str | None) -> Allowed:
    """How long the answers of an endpoint may be. Of several limits the highest counts; what is none is none.

    A limit counts only where the endpoint reads it: others pass it over, and answer at length. Each of
    several prompts of a completion is answered, and `best_of` answers are paid for one.
    """
    if body is None:
        return 0, 1
    limit, answers = 0, 1
    for value in _LIMITS.get(url, _none)(body):
        if type(value) is int and limit < value <= LONGEST_ANSWER:
            limit = value
    if body.n is not UNSET or body.best_of is not UNSET:
        answers = max(_answers(body.n), _answers(body.best_of))
    if body.prompt is not NOTHING:
        answers *= _prompts(body.prompt)
    return (limit * answers, 0) if limit else (0, answers)


def _answers(number: Scalar) -> int:
    return min(number, MOST_ANSWERS) if type(number) is int and number > 0 else 1


def _prompts(prompt: msgspec.Raw) -> int:
    """How many there are: a list of numbers is one prompt, in tokens."""
    text = bytes(prompt)
    if not text.startswith(b"["):
        return 1
    prompts = _decode_prompts(text)
    return len(prompts) if prompts and bytes(prompts[0])[:1] in (b'"', b"[") else 1
