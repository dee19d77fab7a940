"""Prices under LiteLLM's names, in a file and at a deployment."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from msgspec.structs import replace

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.catalog import Catalog
from litebatch_asgi.config import parse_config
from litebatch_asgi.costs import PriceBook, PriceFile, Rates, TokenKind, is_price_name
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment, Lane
from litebatch_asgi.prices import load_prices
from litebatch_asgi.testing import MemoryStorage
from tests.harness import QUICK, by_key

from .test_examples import HALF_CACHED, MILLION, cost

FILE = Path(__file__).with_name("model_prices.json")
"""entries of LiteLLM 1.110.2, as they are there"""
NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.fixture(scope="module")
def prices() -> PriceFile:
    return PriceFile.parse(FILE.read_bytes(), FILE.name)


@pytest.mark.parametrize(
    ("provider", "model", "tokens", "dollars"),
    [
        ("openai", "gpt-5", HALF_CACHED, "5.34375"),
        ("azure", "gpt-4o", {"plain_input": MILLION, "plain_output": MILLION}, "6.25"),
        ("openai", "gpt-4o", {"cached": MILLION}, "0.625"),  # no price in a batch: half of 1.25
        ("openai", "text-embedding-3-small", {"plain_input": MILLION, "plain_output": 0}, "0.01"),
        (
            "openai",
            "gpt-5.4",
            {"plain_input": 300_000, "plain_output": 100_000, "above": 272_000, "until": 512_000},
            "1.875",
        ),
        ("xai", "grok-4.3", {"plain_input": 90_000, "cached": 10_000, "plain_output": 10_000}, "0.1116"),
        ("openai", "gpt-3.5-turbo-instruct", {"plain_input": MILLION, "plain_output": MILLION}, "1.75"),
        ("anthropic", "claude-sonnet-4-5", {"plain_input": MILLION, "plain_output": MILLION}, "9"),
        ("vertex_ai", "gemini-2.5-pro", {"plain_input": 100_000, "plain_output": 100_000}, "0.5625"),
        (  # half of 2.5 and 15 above 200,000 tokens: 0.375 + 0.75
            "gemini",
            "gemini-2.5-pro",
            {"plain_input": 300_000, "plain_output": 100_000, "above": 272_000, "until": 512_000},
            "1.125",
        ),
    ],
)
def test_the_file_works_as_it_is(
    prices: PriceFile, provider: str, model: str, tokens: dict[str, int], dollars: str
) -> None:
    rates = prices.find(provider, model)
    assert rates is not None
    assert (cost(rates, **tokens), rates.source) == (Decimal(dollars), "file:model_prices.json")


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "sample_spec"),
        ("azure", "gpt-5"),  # OpenAI's
        ("hosted_vllm", "gpt-4o"),
        ("openai", "nothing"),
        ("dashscope", "qwen-flash"),  # priced in another form
    ],
)
def test_a_model_of_another_provider_is_not_meant(prices: PriceFile, provider: str, model: str) -> None:
    assert prices.find(provider, model) is None


def test_a_model_of_vertex_has_its_own_price_and_else_that_of_googles_other_door() -> None:
    """LiteLLM names whose models Vertex sells behind its name."""
    entry = {"input_cost_per_token": 2e-6, "output_cost_per_token": 0}
    names = {
        "gemini-1": entry | {"litellm_provider": "vertex_ai-language-models"},
        "gemini/gemini-1": entry | {"input_cost_per_token": 4e-6, "litellm_provider": "gemini"},
        "vertex_ai/gemini-2": entry | {"input_cost_per_token": 6e-6},
        "gemini/gemini-2": entry,
        "gemini-3": entry | {"litellm_provider": "openai"},
    }
    prices = PriceFile.parse(json.dumps(names).encode(), "own.json")
    for model, price in (("gemini-1", "1e-6"), ("gemini-2", "3e-6")):
        rates = prices.find("vertex_ai", model)
        assert rates is not None
        assert rates.steps[TokenKind.INPUT] == ((0, Decimal(price)),)
    assert prices.find("vertex_ai", "gemini-3") is None


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("vertex_ai", "gemini-2.5-flash"),
        ("vertex_ai", "publishers/google/models/gemini-2.5-flash"),
        ("vertex_ai", "gemini-embedding-001"),
        ("anthropic", "claude-sonnet-4-5"),
        ("anthropic", "claude-sonnet-4-5-20250929"),
        ("mistral", "mistral-small-latest"),
        ("mistral", "mistral-embed"),
        ("groq", "llama-3.1-8b-instant"),
        ("groq", "openai/gpt-oss-20b"),
    ],
)
def test_models_of_translated_providers_have_a_price_without_a_file(provider: str, model: str) -> None:
    """Source: BerriAI/litellm#27891 and #19925, Vertex cost is 0."""
    deployment = Deployment(model_name="m", model=f"{provider}/{model}", api_key="k")
    rates = PriceBook([deployment]).find(deployment, model, upstream_model=model, now=NOW)
    assert rates is not None
    charged = cost(rates, plain_input=MILLION, plain_output=0)
    assert charged is not None
    assert charged > 0


def test_an_entry_of_no_provider_is_for_all() -> None:
    prices = PriceFile.parse(b'{"m": {"input_cost_per_token": 2e-6, "output_cost_per_token": 0}}', "own.json")
    rates = prices.find("hosted_vllm", "m")
    assert rates is not None
    assert rates.steps == {TokenKind.INPUT: ((0, Decimal("1e-6")),), TokenKind.OUTPUT: ((0, Decimal(0)),)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "prices: p.json is not JSON"),
        (b"\xff", "prices: p.json is not JSON"),
        (b"[]", "prices: p.json is no JSON object of models by name"),
        (b"[" * 100_000, "prices: p.json is not JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PriceFile.parse(content, "p.json")


@pytest.mark.parametrize("content", [None, "[]"])
async def test_a_gateway_does_not_start_with_such_a_file(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "p.json"
    if content is not None:
        path.write_text(content)
    litebatch = LiteBatch(
        deployments=[Deployment(model_name="m", model="openai/gpt-5", api_key="k")],
        storage=MemoryStorage(),
        authenticator=by_key,
        settings=replace(QUICK, prices=str(path)),
    )
    with pytest.raises(ConfigError, match=r"^prices: .*p\.json "):
        async with litebatch.lifespan():
            pass


@pytest.mark.parametrize(
    "price", ["-1", '"1e-6"', "true", "null", "[]", "NaN", "Infinity", "1e95", "1e999999"]
)
def test_what_is_no_price_is_none(price: str) -> None:
    prices = PriceFile.parse(f'{{"m": {{"input_cost_per_token": {price}}}, "n": 5}}'.encode(), "p.json")
    assert prices.find("openai", "m") is None


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("input_cost_per_token", True),
        ("output_cost_per_token_above_272k_tokens_batches", True),
        ("cache_creation_input_token_cost_batches", True),
        ("input_cost_per_token_priority", False),
        ("input_cost_per_token_above_272k_tokens_flex", False),
        ("cache_creation_input_token_cost_above_1hr", False),
        ("input_cost_per_image", False),
    ],
)
def test_a_price_counts_in_a_batch_or_does_not(name: str, is_one: bool) -> None:
    assert is_price_name(name) is is_one


CONFIG = """
model_list:
  - model_name: m
    litellm_params:
      model: openai/gpt-4o
      api_key: k
      input_cost_per_token: 0.000003
      output_cost_per_token_batches: 0.1
      cache_read_input_token_cost_batches: os.environ/CACHED
    model_info:
      input_cost_per_token_above_64k_tokens: 4e-6
      input_cost_per_token: 2e-6
      output_cost_per_token_batches: 3.0e-6
"""


def test_a_deployment_has_its_own_prices(prices: PriceFile) -> None:
    """In `model_info`, which goes before, or beside the model; half of a price that is not for batches."""
    (deployment,) = parse_config(CONFIG, {"CACHED": "0.0000001"}, "c.yaml").deployments
    book = PriceBook([deployment], prices)
    rates = book.find(deployment, "gpt-4o-2024-08-06", upstream_model="gpt-4o", now=NOW)
    assert rates is not None
    assert rates.source == "config"
    assert rates.steps == {
        TokenKind.INPUT: ((0, Decimal("0.000001")), (64_000, Decimal("0.000002"))),
        TokenKind.CACHED: ((0, Decimal("0.0000001")),),
        TokenKind.OUTPUT: ((0, Decimal("0.000003")),),
    }
    assert 64_000 in book.thresholds


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("input_cost_per_token: cheap", "model_list[0].params.input_cost_per_token: Invalid decimal"),
        ("input_cost_per_token: os.environ/NONE", "the environment variable NONE is not set"),
        ("input_cost_per_token: -1", "the input_cost_per_token of 'm' must be from 0 to 1000, not -1"),
        ("input_cost_per_token: '1e95'", "the input_cost_per_token of 'm' must be from 0 to 1000, not 1E+95"),
        ("output_cost_per_token_batches: '1e999999'", "must be from 0 to 1000, not 1E+999999"),
        ("input_cost_per_token: .nan", "input_cost_per_token"),
        ("output_cost_per_token_batches: -1", "the output_cost_per_token_batches of 'm' must be from 0 to"),
    ],
)
def test_a_wrong_price_is_refused(line: str, message: str) -> None:
    text = f"model_list: [{{model_name: m, params: {{model: openai/a, api_key: k, {line}}}}}]"
    with pytest.raises(ConfigError) as refused:
        parse_config(text, {}, "c.yaml")
    assert message in str(refused.value)


def test_a_deployment_may_have_other_prices_under_another_name() -> None:
    """Inputs are counted apart at the thresholds of all of them."""
    key = "input_cost_per_token_above_{}k_tokens"
    catalog = Catalog(
        Deployment(
            model_name=name,
            model="openai/own",
            id="one",
            prices={"input_cost_per_token": Decimal(1), key.format(above): Decimal(2)},
        )
        for name, above in (("short", 64), ("long", 640))
    )
    assert {64_000, 640_000} <= set(load_prices(catalog, QUICK).thresholds)
    for name, above in (("long", 640), ("short", 64), ("another", 64)):
        deployment = catalog.deployment("one", name)
        assert deployment is not None
        assert key.format(above) in deployment.own_prices


def test_the_first_that_knows_a_price_gives_it(prices: PriceFile) -> None:
    own = Deployment(model_name="m", model="openai/gpt-5", prices={"input_cost_per_token": Decimal(1)})
    other = Deployment(model_name="m", model="openai/gpt-5")
    book = PriceBook([own, other], prices)

    def source(deployment: Deployment, model: str, upstream: str) -> str | None:
        rates = book.find(deployment, model, upstream_model=upstream, now=NOW)
        return rates.source if rates is not None else None

    assert source(own, "gpt-5", "gpt-5") == "config"
    assert source(other, "gpt-5", "gpt-5") == "file:model_prices.json"
    assert source(other, "gpt-5-2025-08-07", "gpt-5") == "file:model_prices.json"
    assert (source(other, "gpt-4.1", "gpt-4.1") or "").startswith("genai-prices ")
    assert source(other, "of-my-own", "of-my-own") is None


BASE_MODEL = """
model_list:
  - model_name: m
    {params}: {{model: azure/named-by-its-owner, api_base: "https://a.example", api_key: k{in_params}}}
    model_info: {{mode: batch{in_info}}}
"""


@pytest.mark.parametrize(
    ("in_params", "in_info"),
    [
        ("", ", base_model: azure/gpt-4.1"),
        ("", ", base_model: gpt-4.1"),
        ("", ", base_model: os.environ/BASE"),
        (", base_model: azure/gpt-4.1", ""),
        (", base_model: azure/gpt-5", ", base_model: azure/gpt-4.1"),
    ],
)
def test_a_base_model_tells_whose_price_a_deployment_has(
    prices: PriceFile, in_params: str, in_info: str
) -> None:
    """Names of deployments at Azure are their owners': nobody knows a price for them."""
    text = BASE_MODEL.format(params="litellm_params", in_params=in_params, in_info=in_info)
    (deployment,) = parse_config(text, {"BASE": "azure/gpt-4.1"}, "c.yaml").deployments
    book, mine = PriceBook([deployment], prices), "named-by-its-owner"
    plain = replace(deployment, base_model=None)
    assert book.find(plain, mine, upstream_model=mine, now=NOW) is None
    known = book.find(plain, "gpt-4.1", upstream_model=mine, now=NOW)
    assert known is not None
    for answering in (mine, "gpt-4o", "gpt-4.1"):
        assert book.find(deployment, answering, upstream_model=mine, now=NOW) == known


def test_a_base_model_without_a_price_is_in_nobodys_way(prices: PriceFile) -> None:
    deployment = Deployment(model_name="m", model="azure/mine", base_model="azure/unheard-of")
    book = PriceBook([deployment], prices)
    known = book.find(replace(deployment, base_model=None), "gpt-4.1", upstream_model="mine", now=NOW)
    assert known is not None
    assert book.find(deployment, "gpt-4.1", upstream_model="mine", now=NOW) == known


@pytest.mark.parametrize("base_model", ["[x]", "{name: gpt-4o}", "7", "''", "null"])
def test_a_base_model_that_is_no_name_is_none(base_model: str) -> None:
    text = BASE_MODEL.format(params="params", in_params="", in_info=f", base_model: {base_model}")
    (deployment,) = parse_config(text, {}, "c.yaml").deployments
    assert deployment.base_model is None


def test_what_runs_request_by_request_costs_what_any_request_does(prices: PriceFile) -> None:
    own = {"input_cost_per_token": Decimal(2), "input_cost_per_token_batches": Decimal(1)}
    own["output_cost_per_token_batches"] = Decimal(3)
    live = Deployment(model_name="m", model="openai/gpt-5", lane=Lane.LIVE)
    priced = replace(live, prices=own)
    book = PriceBook([priced], prices)

    def rates(deployment: Deployment, model: str) -> Rates:
        found = book.find(deployment, model, upstream_model=model, now=NOW)
        assert found is not None
        return found

    assert rates(priced, "gpt-5").steps == {
        TokenKind.INPUT: ((0, Decimal(2)),),
        TokenKind.OUTPUT: ((0, Decimal(3)),),
    }
    for model in ("gpt-5", "gpt-4.1"):
        plain, batch = rates(live, model), rates(replace(live, lane=Lane.NATIVE), model)
        assert plain.steps[TokenKind.OUTPUT][0][1] == 2 * batch.steps[TokenKind.OUTPUT][0][1]
    assert rates(live, "gpt-4.1").source.endswith(" plain")


def test_without_the_package_its_prices_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    deployment = Deployment(model_name="m", model="openai/gpt-5")
    assert PriceBook([deployment]).find(deployment, "gpt-5", upstream_model="gpt-5", now=NOW) is None


def test_genai_prices_is_asked_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = Deployment(model_name="m", model="openai/gpt-5")
    book = PriceBook([deployment])
    asked = 0

    def counted() -> DataSnapshot:
        nonlocal asked
        asked += 1
        return snapshot

    def find(model: str, now: datetime) -> Rates | None:
        return book.find(deployment, model, upstream_model=model, now=now)

    snapshot = get_snapshot()
    monkeypatch.setattr("genai_prices.data_snapshot.get_snapshot", counted)
    began = NOW.replace(minute=0, second=0, microsecond=0)
    for minute in (0, 1, 59):
        known = find("gpt-5", began + timedelta(minutes=minute))
        assert known is not None
        assert known == find("gpt-5", began)
        assert find("of-my-own", began + timedelta(minutes=minute)) is None
    assert asked == 2
    find("gpt-5", began + timedelta(minutes=60))
    assert asked == 3
    for number in range(1500):
        find(f"m{number}", began)
    assert find("gpt-5", began) == known
