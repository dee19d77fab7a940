"""Reads the bodies of answers, leniently: the model that answered, and the tokens that it used."""

from __future__ import annotations

from typing import Annotated, Any, cast

import msgspec

from litebatch_asgi.jsonl.loose import loose_json

MOST_TOKENS = 1 << 27
"""So many in one row are nonsense, and sums of them would not fit into a database."""

Tokens = Annotated[int, msgspec.Meta(ge=0, lt=MOST_TOKENS)]


class Details(msgspec.Struct, gc=False):
    """What the tokens of one side were."""

    cached_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None
    audio_tokens: Tokens | None = None
    image_tokens: Tokens | None = None
    reasoning_tokens: Tokens | None = None


class RowUsage(msgspec.Struct, gc=False):
    """The usage of one answer, in the words of chat completions and embeddings or of responses and images."""

    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    total_tokens: Tokens | None = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None
    input_tokens_details: Details | None = None
    output_tokens_details: Details | None = None


class IllegibleUsage(RowUsage, gc=False):
    """A usage of which only a part was understood."""


class Body(msgspec.Struct, gc=False):
    """The body of an answer."""

    model: str | None = None
    usage: RowUsage | None = None
    results: msgspec.Raw = msgspec.Raw()
    """of a moderation: it tells no usage, for it has none"""


NOT_TYPED = (msgspec.DecodeError, UnicodeError, RecursionError)
"""what decoding into our types raises"""
_decode_body = msgspec.json.Decoder(Body).decode


def read_body(text: str) -> Body | None:
    """The body that a string holds as JSON; None if it holds something else."""
    try:
        return _decode_body(text)
    except NOT_TYPED:
        pass
    try:
        return odd_body(loose_json(text))
    except (ValueError, RecursionError):
        return None


def odd_body(body: object) -> Body:
    """What can be understood of a body with values of unexpected types."""
    told = members(body)
    model: object = told.get("model")
    usage: object = told.get("usage")
    return Body(
        model=model if isinstance(model, str) else None,
        usage=_odd_usage(members(cast("object", usage))) if isinstance(usage, dict) else None,
        results=msgspec.Raw(b"[]" if "results" in told else b""),
    )


def members(value: object) -> dict[str, Any]:
    """Those of an object; anything else has none."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def whole(value: object) -> int | None:
    """The integer that a number is, however it is written."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _odd_usage(usage: dict[str, Any]) -> RowUsage:
    found: dict[str, Any] = _counts(usage, _COUNTS)
    is_legible = None not in found.values()
    for name in _DETAILS:
        told = usage.get(name)
        if isinstance(told, dict):
            parts = _counts(members(cast("object", told)), Details.__struct_fields__)
            found[name] = Details(**parts)
            is_legible = is_legible and None not in parts.values()
        elif told is not None:
            is_legible = False
    return (RowUsage if is_legible else IllegibleUsage)(**found)


_DETAILS = tuple(name for name in RowUsage.__struct_fields__ if name.endswith("_details"))
_COUNTS = tuple(name for name in RowUsage.__struct_fields__ if name not in _DETAILS)


def _counts(told: dict[str, Any], names: tuple[str, ...]) -> dict[str, int | None]:
    """Those of the names that have a value; None if it is no number of tokens."""
    return {name: _tokens(told[name]) for name in names if told.get(name) is not None}


def _tokens(value: object) -> int | None:
    count = whole(value)
    return count if count is not None and 0 <= count < MOST_TOKENS else None
