"""A job is charged once for each model that has answered, with what that model used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from litebatch_asgi.costs.book import USUAL_THRESHOLDS
from litebatch_asgi.models import ChargedUsage, Usage, UsageBucket
from tests.database import Database
from tests.harness import UPSTREAM, running_gateway
from tests.jsonl.reference import RowReference

from .settled import ENDPOINTS, Charged, settled

EAST = UPSTREAM["east"]
MIXED: list[dict[str, Any] | str] = [
    {"input_tokens": 100, "cached_tokens": 40, "cache_write_tokens": 20, "output_tokens": 50},
    {"model": "other-model", "input_tokens": 300_000, "cached_tokens": 1000, "output_tokens": 7},
    {"input_tokens": 90, "cached_tokens": 0, "audio_input_tokens": 30, "image_input_tokens": 10},
    {"output_tokens": 90, "reasoning_tokens": 20, "audio_output_tokens": 30, "image_output_tokens": 5},
    {"input_tokens": 128_001, "cached_tokens": 128_001, "output_tokens": 1},
    {"usage": {"prompt_tokens": 5, "completion_tokens": -1}},
    {"usage": None},
    "429",
    {"error": "request_timeout"},
    {"model": "other-model"},
]


def assert_as_computed(charges: list[Charged], output: bytes, *, upstream: str = EAST) -> None:
    """The usage of the charges is that of the rows of the output."""
    expected = RowReference(*sorted(USUAL_THRESHOLDS))
    expected.count(output)
    assert {charge.model: charge.usage.requests for charge in charges} == {
        model or upstream: count for model, count in expected.requests.items()
    }
    total = Usage()
    for charge in charges:
        total += charge.usage
        told = {bucket.above: bucket for bucket in charge.usage.buckets}
        for (model, above), classes in expected.classes.items():
            if (model or upstream) != charge.model:
                continue
            bucket = told.pop(above)
            for name in bucket.__struct_fields__[2:]:
                assert getattr(bucket, name) == classes[name.removesuffix("_tokens")], name
        assert not told
    assert total == expected.usage


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_each_model_that_answers_is_charged(tmp_path: Path, database: Database, endpoint: str) -> None:
    async with running_gateway(tmp_path, names=("east",), database=database) as gateway:
        charges, output = await settled(gateway, *MIXED, endpoint=endpoint)
    assert_as_computed(list(charges), output)
    images = endpoint.startswith("/v1/images")
    assert [charge.model for charge in charges] == [EAST] if images else [EAST, "other-model"]


async def test_a_job_without_success_has_used_nothing(tmp_path: Path, database: Database) -> None:
    async with running_gateway(tmp_path, names=("east",), database=database) as gateway:
        (charge,), _ = await settled(gateway, "429", {"error": "request_timeout"})
    assert (charge.model, charge.usage) == (EAST, ChargedUsage())


async def test_a_usage_tells_its_classes(tmp_path: Path, database: Database) -> None:
    async with running_gateway(tmp_path, names=("east",), database=database) as gateway:
        (charge,), _ = await settled(gateway, MIXED[0])
    assert charge.usage == ChargedUsage(
        input_tokens=100,
        cached_tokens=40,
        output_tokens=50,
        reasoning_tokens=12,
        total_tokens=150,
        requests=1,
        unpriced_requests=1,
        buckets=(
            UsageBucket(
                until=min(USUAL_THRESHOLDS),
                requests=1,
                plain_input_tokens=40,
                cached_tokens=40,
                cache_write_tokens=20,
                plain_output_tokens=50,
                reasoning_tokens=12,
            ),
        ),
    )
