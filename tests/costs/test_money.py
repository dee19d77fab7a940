"""Batches over the simulator cost what their rows cost, computed one by one from the published prices."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from litebatch_asgi.batches.charging import usage_by_model
from litebatch_asgi.costs import PriceBook, priced
from litebatch_asgi.jsonl import RowTally
from litebatch_asgi.models import Deployment
from litebatch_asgi.simulator import Fault, RowFaults, Simulator
from tests.database import Database
from tests.harness import ENDPOINT, QUICK, SWIFT, rows_of, running_gateway
from tests.jsonl.reference import as_object, classes_of
from tests.jsonl.test_tally import usages
from tests.jsonl.test_usage import SENSELESS

from .settled import ENDPOINTS, Charged, charges_of, requests, settled
from .test_examples import NOW

WEST, LONG, OLD = "gpt-4o-mini", "gpt-5.4-2026-03-05", "gpt-3.5-turbo-1106"
MIXED: list[dict[str, Any] | str] = [
    {"input_tokens": 101, "cached_tokens": 40, "cache_write_tokens": 20, "output_tokens": 51},
    {"model": LONG, "input_tokens": 272_000, "cached_tokens": 1001, "output_tokens": 7},
    {
        "model": LONG,
        "input_tokens": 272_001,
        "cached_tokens": 1003,
        "output_tokens": 9,
        "reasoning_tokens": 5,
    },
    {"input_tokens": 90, "cached_tokens": 0, "audio_input_tokens": 30, "image_input_tokens": 10},
    {"output_tokens": 90, "reasoning_tokens": 20, "audio_output_tokens": 30, "image_output_tokens": 5},
    {"model": OLD, "input_tokens": 1235, "cached_tokens": 0, "output_tokens": 333},
    {"input_tokens": 128_001, "cached_tokens": 128_001, "output_tokens": 1},
    {"usage": {"prompt_tokens": 5, "completion_tokens": -1}},
    {"usage": {"input_tokens": 5, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 6}}},
    {"usage": None},
    "429",
    {"error": "request_timeout"},
    {},
]

Prices = Mapping[str, Mapping[str, list[tuple[int, str]]]]
"""By model and kind: dollars for a million tokens of requests whose input is longer than that."""


def per_million(**kinds: str) -> dict[str, list[tuple[int, str]]]:
    """`0.5` everywhere, or `0.5>272000:1` above so many tokens."""
    found: dict[str, list[tuple[int, str]]] = {}
    for kind, price in kinds.items():
        base, _, rest = price.partition(">")
        above, _, more = rest.partition(":")
        found[kind] = [(0, base), *([(int(above), more)] if rest else [])]
    return found


OF_LONG = per_million(input="1.25>272000:2.5", cached="0.13>272000:0.25", output="7.5>272000:11.25")
OPENAI: Prices = {
    WEST: per_million(input="0.075", cached="0.075", output="0.3"),
    LONG: OF_LONG,
    OLD: per_million(input="1", output="2"),  # no discount
}
AZURE: Prices = {**OPENAI, OLD: per_million(input="0.5", output="1")}
OWN = per_million(input="0.1>128000:0.3", cached="0.01", audio_input="4", output="0.7", reasoning="0.9")
OWN_PRICES = {
    "input_cost_per_token_batches": "1e-7",
    "input_cost_per_token_above_128k_tokens": "6e-7",
    "cache_read_input_token_cost_batches": "1e-8",
    "input_cost_per_audio_token": "8e-6",
    "output_cost_per_token": "14e-7",
    "output_cost_per_reasoning_token_batches": "9e-7",
}
FILE: Prices = dict.fromkeys((WEST, LONG, OLD), OWN)


class Case(NamedTuple):
    """Who is paid, and what that takes."""

    flavour: str
    prices: Prices
    sources: Mapping[str, str]
    settings: str


SOURCE = f"genai-prices {genai_prices.__version__}"
CASES = {
    "openai": Case("openai", OPENAI, dict.fromkeys(OPENAI, f"{SOURCE} batch"), ""),
    "azure": Case("azure classic", AZURE, dict.fromkeys(AZURE, f"{SOURCE} halved"), ""),
    "config": Case("openai", FILE, dict.fromkeys(FILE, "config"), "config"),
    "file": Case("azure v1", FILE, dict.fromkeys(FILE, "file:own.json"), "file"),
}


def nano_dollars(output: bytes, prices: Prices, upstream: str = WEST) -> dict[str, int]:
    """What the rows of each model cost, those aside whose usage makes no sense."""
    dollars: dict[str, Fraction] = {}
    for row in rows_of(output):
        body = as_object(row["response"]["body"])
        classes, model = classes_of(body), str(body.get("model", upstream))
        if classes is None:
            continue
        counts = {kind: classes[kind] for kind in ("cached", "cache_write", "audio_input", "image_input")}
        counts |= {kind: classes[kind] for kind in ("reasoning", "audio_output", "image_output")}
        counts["input"] = classes["plain_input"]
        counts["output"] = classes["plain_output"] - classes["reasoning"]
        for kind, count in counts.items():
            instead = "output" if "output" in kind or kind == "reasoning" else "input"
            steps = prices[model].get(kind, prices[model][instead])
            price = [price for above, price in steps if above == 0 or classes["input"] > above][-1]
            dollars[model] = dollars.get(model, Fraction(0)) + count * Fraction(price) / 10**6
    return {model: round(each * 10**9) for model, each in dollars.items()}


def in_nano_dollars(charges: list[Charged]) -> dict[str, int]:
    return {
        charge.model: int(Decimal(charge.cost).scaleb(9)) for charge in charges if charge.cost is not None
    }


def options_for(case: Case, folder: Path) -> dict[str, Any]:
    if case.settings == "config":
        return {"prices": {name: Decimal(price) for name, price in OWN_PRICES.items()}}
    if case.settings == "file":
        path = folder / "own.json"
        of_west = {"litellm_provider": "azure", **{name: float(price) for name, price in OWN_PRICES.items()}}
        path.write_text(json.dumps({f"azure/{WEST}": of_west, LONG: of_west, f"azure/{OLD}": of_west}))
        return {"settings": replace(QUICK, prices=str(path))}
    return {}


def simulator_for(case: Case, **settings: Any) -> Simulator:
    flavour = case.flavour.partition(" ")[0]
    return Simulator(settings=replace(SWIFT, flavour=flavour, pending_seconds=0.01, **settings))


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def costs_told(caplog: pytest.LogCaptureFixture) -> list[Decimal | None]:
    """What the log says that settled batches cost."""
    return [record.__dict__["cost"] for record in caplog.records if record.message == "job settled"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_mixed_rows_cost_what_they_cost_one_by_one(tmp_path: Path, case: Case, endpoint: str) -> None:
    options: dict[str, Any] = options_for(case, tmp_path) | {"simulator": simulator_for(case)}
    async with running_gateway(tmp_path, names=("west",), flavour=case.flavour, **options) as gateway:
        charges, output = await settled(gateway, *MIXED, endpoint=endpoint)
    expected = nano_dollars(output, case.prices)
    assert in_nano_dollars(list(charges)) == expected
    assert {charge.model: charge.price_source for charge in charges} == {
        model: case.sources[model] for model in expected
    }
    unpriced = sum(charge.usage.unpriced_requests for charge in charges)
    assert unpriced == (2 if endpoint == "/v1/moderations" else 3)


async def test_a_malformed_usage_leaves_its_row_without_a_price_and_no_other(
    tmp_path: Path, database: Database
) -> None:
    sound = {"input_tokens": 1000, "cached_tokens": 0, "output_tokens": 100}
    async with running_gateway(tmp_path, names=("west",), database=database) as gateway:
        (charge,), output = await settled(gateway, *({"usage": usage} for usage in SENSELESS), sound)
    assert len(rows_of(output)) == charge.usage.requests == len(SENSELESS) + 1
    assert charge.usage.unpriced_requests == len(SENSELESS)
    assert charge.cost == "0.000105000"  # 0.075 and 0.3 a million


@given(
    answers=st.lists(st.tuples(st.sampled_from([WEST, LONG, OLD]), usages), max_size=6),
    prices=st.sampled_from([("openai", OPENAI), ("azure", AZURE)]),
)
def test_any_usages_cost_what_they_cost_one_by_one(
    answers: list[tuple[str, dict[str, object]]], prices: tuple[str, Prices]
) -> None:
    """Those that make no sense included: they are counted as unpriced."""
    rows = [
        {"custom_id": "a", "response": {"status_code": 200, "body": {"model": model, "usage": usage}}}
        for model, usage in answers
    ]
    output = b"\n".join(json.dumps(row).encode() for row in rows)
    provider, published = prices
    deployment = Deployment(model_name="m", model=f"{provider}/{WEST}")
    book = PriceBook([deployment])
    tally = RowTally(thresholds=book.thresholds)
    tally.feed(output)
    found = {
        model: priced(usage, book.find(deployment, model, upstream_model=WEST, now=NOW))
        for model, usage in usage_by_model(tally.finish(), WEST).items()
    }
    costs = {model: int(cost.scaleb(9)) for model, (_, cost) in found.items() if cost}
    assert costs == {model: cost for model, cost in nano_dollars(output, published).items() if cost}
    unpriced = sum(usage.unpriced_requests for usage, _ in found.values())
    assert unpriced == sum(classes_of(as_object(row["response"]["body"])) is None for row in rows_of(output))


@pytest.mark.parametrize("ending", ["expired", "cancelled"])
async def test_finished_rows_are_paid_whatever_way_the_batch_ends(
    tmp_path: Path, database: Database, case: Case, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="litebatch_asgi")
    simulator = simulator_for(case, hold=frozenset({"in_progress"}))
    options: dict[str, Any] = options_for(case, tmp_path) | {"simulator": simulator, "database": database}
    async with running_gateway(tmp_path, names=("west",), flavour=case.flavour, **options) as gateway:
        batch = await gateway.create((await gateway.upload(requests(*MIXED, *MIXED))).id)
        await gateway.reached(batch.id, "in_progress")
        if ending == "cancelled":
            await gateway.client().batches.cancel(batch.id)
        else:
            (job,) = gateway.provider_jobs()
            simulator.account("west").expire(job.id)
        ended = await gateway.reached(batch.id, ending)
        output, _ = await gateway.results(ended)
        charges = await charges_of(gateway, batch.id)
    expected = nano_dollars(output, case.prices)
    assert 0 < len(rows_of(output)) < len(MIXED) * 2
    assert in_nano_dollars(charges) == expected
    assert costs_told(caplog) == [Decimal(sum(expected.values())).scaleb(-9)]


async def test_a_batch_of_which_nothing_succeeded_is_free(tmp_path: Path, database: Database) -> None:
    async with running_gateway(tmp_path, names=("west",), database=database) as gateway:
        (charge,), _ = await settled(gateway, "429", {"error": "request_timeout"})
    assert charge.cost == "0.000000000"
    assert charge.price_source is None


async def test_lost_rows_are_free(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, names=("west",)) as gateway:
        gateway.simulator.add_fault(Fault(call="run_batch", rows=RowFaults(lost=3)))
        charges, output = await settled(gateway, *[{"input_tokens": 1000 + n} for n in range(9)])
    assert len(rows_of(output)) == 6
    assert in_nano_dollars(list(charges)) == nano_dollars(output, OPENAI)


async def test_an_unknown_price_is_told_once_and_keeps_nothing_from_settling(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """It is no 0."""
    async with running_gateway(tmp_path, names=("east",), database=database) as gateway:
        with caplog.at_level(logging.INFO, logger="litebatch_asgi"):
            for _ in range(2):
                file = await gateway.upload(requests({}, {"model": WEST, "input_tokens": 100}))
                batch = await gateway.ended((await gateway.create(file.id, endpoint=ENDPOINT)).id)
                known, unknown = await charges_of(gateway, batch.id)
                assert (unknown.cost, unknown.price_source) == (None, "unknown")
                assert unknown.usage.unpriced_requests == unknown.usage.requests == 1
                assert known.cost is not None
    assert costs_told(caplog) == [None, None]
    assert [record.message for record in caplog.records].count(
        "no price is known for a model, so its cost is not either: give it one in `model_info` or in a file "
        "named by `prices`, or pip install 'litebatch-asgi[prices]'"
    ) == 1


async def test_a_table_that_cannot_be_read_keeps_nothing_from_settling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("genai_prices.data_snapshot.get_snapshot", lambda: None)
    async with running_gateway(tmp_path, names=("west",)) as gateway:
        (charge,), _ = await settled(gateway, {})
    assert (charge.cost, charge.price_source) == (None, "unknown")
    assert "prices cannot be read" in caplog.messages
