"""What successful answers used, by the model that answered and by the length of the input."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import msgspec

from litebatch_asgi.jsonl.answers import Body, RowUsage
from litebatch_asgi.models import Usage, UsageBucket

MOST_MODELS = 16
"""answers of further models count as those that do not tell their model"""
_LONGEST_NAME = 200
_SENSELESS = -1
"""the number of the bucket, which is none, of requests whose usage makes no sense"""
_UNTOLD = RowUsage()
_USED_NOTHING = RowUsage(input_tokens=0)

_Sums: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int, int]
"""Rows; tokens of the input and how many of these were cached, stored in the cache, audio and images; tokens
of the output, and how many of these were reasoning, audio and images; the total that the rows tell."""
_NO_SUMS: _Sums = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


class ModelTally(msgspec.Struct, frozen=True, kw_only=True):
    """What the successful answers of one model come to. Such tallies add up if their thresholds are equal."""

    requests: int = 0
    usage: Usage = Usage()
    """of all of them, as far as they tell it"""
    buckets: Mapping[int, UsageBucket] = {}
    """those whose usage makes sense, by the `above` of the bucket"""

    def __add__(self, other: ModelTally) -> ModelTally:
        buckets = dict(self.buckets)
        for above, bucket in other.buckets.items():
            buckets[above] = _sum(buckets[above], bucket) if above in buckets else bucket
        return ModelTally(
            requests=self.requests + other.requests, usage=self.usage + other.usage, buckets=buckets
        )


ModelTallies: TypeAlias = Mapping[str | None, ModelTally]
"""By the model that answered; None for what does not tell its model, or tells one too many."""


def added(one: ModelTallies, other: ModelTallies) -> ModelTallies:
    """The tallies of both; of the models of `other` as many have their own as there is room for."""
    sums = dict(one)
    for model, tally in other.items():
        is_one_too_many = model not in sums and len(sums.keys() - {None}) >= MOST_MODELS
        name = None if is_one_too_many else model
        sums[name] = sums[name] + tally if name in sums else tally
    return sums


def count_usage(answers: Iterable[Body], thresholds: Sequence[int]) -> ModelTallies:
    """The tallies of some successful answers, in the order in which their models come.

    `thresholds`: lengths of inputs, in tokens and ascending, at which another bucket begins.
    """
    tallies: dict[str | None, ModelTally] = {}
    for (model, bucket), sums in _sums(answers, thresholds).items():
        if sums[0]:
            name, tally = _name(model), _tally(sums, bucket, thresholds)
            tallies[name] = tallies[name] + tally if name in tallies else tally
    return tallies


def _sums(answers: Iterable[Body], thresholds: Sequence[int]) -> dict[tuple[str | None, int], _Sums]:
    """The tokens of each kind, by model and number of the bucket.

    This runs for every row of every result: sums are kept in local variables while the group stays the same.
    """
    sums: dict[tuple[str | None, int], _Sums] = {}
    lowest = thresholds[0] if thresholds else sys.maxsize
    at: tuple[str | None, int] = (None, 0)
    n, sent, cached, stored, audio_in, img_in, made, reasoning, audio_out, img_out, total = _NO_SUMS
    for body in answers:
        usage = body.usage
        if usage is None:
            usage = _USED_NOTHING if body.results else _UNTOLD
        row_sent = usage.input_tokens or usage.prompt_tokens or 0
        row_made = usage.output_tokens or usage.completion_tokens or 0
        row_total = usage.total_tokens or row_sent + row_made
        row_cached = row_stored = row_audio_in = row_img_in = 0
        row_reasoning = row_audio_out = row_img_out = 0
        if (details := usage.input_tokens_details or usage.prompt_tokens_details) is not None:
            row_cached = details.cached_tokens or 0
            row_stored = details.cache_write_tokens or 0
            row_audio_in = details.audio_tokens or 0
            row_img_in = details.image_tokens or 0
        if (details := usage.output_tokens_details or usage.completion_tokens_details) is not None:
            row_reasoning = details.reasoning_tokens or 0
            row_audio_out = details.audio_tokens or 0
            row_img_out = details.image_tokens or 0
        if not (
            row_cached + row_stored + row_audio_in + row_img_in <= row_sent
            and row_reasoning + row_audio_out + row_img_out <= row_made
            and ((row_sent and row_made) or _tells_all(usage, row_sent, row_total))
            and type(usage) is RowUsage
        ):
            bucket = _SENSELESS
        else:
            bucket = 0 if row_sent <= lowest else bisect_left(thresholds, row_sent)
        if bucket != at[1] or body.model != at[0]:
            sums[at] = n, sent, cached, stored, audio_in, img_in, made, reasoning, audio_out, img_out, total
            at = body.model, bucket
            n, sent, cached, stored, audio_in, img_in, made, reasoning, audio_out, img_out, total = sums.get(
                at, _NO_SUMS
            )
        n += 1
        sent += row_sent
        cached += row_cached
        stored += row_stored
        audio_in += row_audio_in
        img_in += row_img_in
        made += row_made
        reasoning += row_reasoning
        audio_out += row_audio_out
        img_out += row_img_out
        total += row_total
    sums[at] = n, sent, cached, stored, audio_in, img_in, made, reasoning, audio_out, img_out, total
    return sums


def _tells_all(usage: RowUsage, sent: int, total: int) -> bool:
    """Whether the tokens of the input are told, and those of the output if there are any."""
    tells_input = usage.input_tokens is not None or usage.prompt_tokens is not None
    tells_output = usage.output_tokens is not None or usage.completion_tokens is not None
    return tells_input and (tells_output or total <= sent)


def _tally(sums: _Sums, bucket: int, thresholds: Sequence[int]) -> ModelTally:
    rows, sent, cached, stored, audio_in, img_in, made, reasoning, audio_out, img_out, total = sums
    usage = Usage(
        input_tokens=sent,
        cached_tokens=cached,
        output_tokens=made,
        reasoning_tokens=reasoning,
        total_tokens=total,
    )
    if bucket == _SENSELESS:
        return ModelTally(requests=rows, usage=usage)
    above = thresholds[bucket - 1] if bucket else 0
    classes = UsageBucket(
        above=above,
        until=thresholds[bucket] if bucket < len(thresholds) else None,
        requests=rows,
        plain_input_tokens=sent - cached - stored - audio_in - img_in,
        cached_tokens=cached,
        cache_write_tokens=stored,
        audio_input_tokens=audio_in,
        image_input_tokens=img_in,
        plain_output_tokens=made - audio_out - img_out,
        reasoning_tokens=reasoning,
        audio_output_tokens=audio_out,
        image_output_tokens=img_out,
    )
    return ModelTally(requests=rows, usage=usage, buckets={above: classes})


_SUMMED = tuple(name for name in UsageBucket.__struct_fields__ if name not in ("above", "until"))


def _sum(one: UsageBucket, other: UsageBucket) -> UsageBucket:
    sums = {name: getattr(one, name) + getattr(other, name) for name in _SUMMED}
    return UsageBucket(above=one.above, until=one.until, **sums)


def _name(model: str | None) -> str | None:
    """The model's name, unless it is none."""
    return model if model and len(model) <= _LONGEST_NAME and model.isprintable() else None
