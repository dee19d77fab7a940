"""How long the answers to a request may be, as its body says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

LONGEST_ANSWER = 10_000_000
"""tokens; a limit above counts as none"""
MOST_ANSWERS = 128
"""to one request, as OpenAI has it; an `n` above counts as that"""

_Scalar: TypeAlias = int | float | str | bool | UnsetType | None


class Body(msgspec.Struct, gc=False):
    """What counts of a request's body, or of a piece of one."""

    model: _Scalar = UNSET
    stream: _Scalar = UNSET
    max_tokens: _Scalar = UNSET
    max_completion_tokens: _Scalar = UNSET
    max_output_tokens: _Scalar = UNSET
    n: _Scalar = UNSET
    best_of: _Scalar = UNSET
    prompt: msgspec.Raw = msgspec.Raw()


_decode = msgspec.json.Decoder(Body).decode
_decode_prompts = msgspec.json.Decoder(list[msgspec.Raw]).decode

Allowed: TypeAlias = tuple[int, int]
"""Tokens of all answers that are limited together, and how many answers are not limited."""


def read_body(body: bytes) -> Body | None:
    """A JSON object. None if it is none, or if what counts is no scalar, or a number that is out of range.

    Of several members with one name the last one counts.
    """
    try:
        return _decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None


def allowed(body: Body | None) -> Allowed:
    """How long the answers may be. Of several limits the highest counts; what can be none is none.

    Each of several prompts of a completion is answered, and `best_of` answers are paid for one.
    """
    if body is None:
        return 0, 1
    limit = 0
    for value in (body.max_tokens, body.max_completion_tokens, body.max_output_tokens):
        if type(value) is int and limit < value <= LONGEST_ANSWER:
            limit = value
    answers = max(_answers(body.n), _answers(body.best_of)) * _prompts(body.prompt)
    return (limit * answers, 0) if limit else (0, answers)


def _answers(number: _Scalar) -> int:
    return min(number, MOST_ANSWERS) if type(number) is int and number > 0 else 1


def _prompts(prompt: msgspec.Raw) -> int:
    """How many there are: a list of numbers is one prompt, in tokens."""
    text = bytes(prompt)
    if not text.startswith(b"["):
        return 1
    prompts = _decode_prompts(text)
    return len(prompts) if prompts and bytes(prompts[0])[:1] in (b'"', b"[") else 1


def joined(pieces: Sequence[Body]) -> Body:
    """The body that was read in these pieces, but for its model."""
    whole = pieces[0]
    for piece in pieces[1:]:
        for name in ("max_tokens", "max_completion_tokens", "max_output_tokens", "n", "best_of"):
            value: object = getattr(piece, name)
            if value is not UNSET:
                setattr(whole, name, value)
        if bytes(piece.prompt):
            whole.prompt = piece.prompt
    return whole
