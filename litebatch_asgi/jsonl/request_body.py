"""The members of a request's body that its estimate needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

Scalar: TypeAlias = int | float | str | bool | UnsetType | None

NOTHING = msgspec.Raw()
"""a member that is not there"""


class Item(msgspec.Struct, gc=False):
    """A message, or another item of the input."""

    content: msgspec.Raw = NOTHING
    output: msgspec.Raw = NOTHING
    """of a tool"""
    type: msgspec.Raw = NOTHING


class Body(msgspec.Struct, gc=False):
    """What counts of a request's body, or of a piece of one. What is Raw may be anything."""

    model: Scalar = UNSET
    stream: Scalar = UNSET
    max_tokens: Scalar = UNSET
    max_completion_tokens: Scalar = UNSET
    max_output_tokens: Scalar = UNSET
    n: Scalar = UNSET
    best_of: Scalar = UNSET
    messages: list[Item] | UnsetType | None = UNSET
    prompt: msgspec.Raw = NOTHING
    input: msgspec.Raw = NOTHING
    previous_response_id: msgspec.Raw = NOTHING
    conversation: msgspec.Raw = NOTHING


class _Odd(msgspec.Struct, gc=False):
    """The same of a body whose other members are not what they should be."""

    messages: msgspec.Raw = NOTHING
    prompt: msgspec.Raw = NOTHING
    input: msgspec.Raw = NOTHING
    previous_response_id: msgspec.Raw = NOTHING
    conversation: msgspec.Raw = NOTHING


_BRACKET = b"["[0]
_SCALARS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "n", "best_of", "messages")
_RAW = ("prompt", "input", "previous_response_id", "conversation")

decode_body: Callable[[bytes], Body] = msgspec.json.Decoder(Body).decode
_decode_odd = msgspec.json.Decoder(_Odd).decode
_decode_item = msgspec.json.Decoder(Item).decode
_decode_items = msgspec.json.Decoder(list[Item]).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def read_body(body: bytes) -> Body | None:
    """A JSON object. None if it is none, or if what counts has another type, or a number is out of range.

    Of several members with one name the last one counts.
    """
    try:
        return decode_body(body)
    except (msgspec.DecodeError, RecursionError):
        return None


def read_odd_body(body: bytes) -> Body:
    """What such an object sends to the model, without limits: nobody knows how a server reads those."""
    found = _decode_odd(body)
    return Body(
        messages=read_items(found.messages),
        prompt=found.prompt,
        input=found.input,
        previous_response_id=found.previous_response_id,
        conversation=found.conversation,
    )


def read_items(raw: msgspec.Raw) -> list[Item]:
    """The objects of a list; none if it is no list."""
    if raw is NOTHING or memoryview(raw)[0] != _BRACKET:
        return []
    try:
        return _decode_items(raw)
    except msgspec.DecodeError:
        return [_decode_item(each) for each in _decode_list(raw) if bytes(each).startswith(b"{")]


def joined(pieces: Sequence[Body]) -> Body:
    """The body that was read in these pieces, but for its model."""
    whole = pieces[0]
    for piece in pieces[1:]:
        for name in _SCALARS:
            value: object = getattr(piece, name)
            if value is not UNSET:
                setattr(whole, name, value)
        for name in _RAW:
            raw: msgspec.Raw = getattr(piece, name)
            if raw is not NOTHING:
                setattr(whole, name, raw)
    return whole
