"""Headers of a deployment's own: on every call, and shown nowhere."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from litebatch_asgi.errors import ConfigError, ProviderError
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.provider import ProviderAdapter
from litebatch_asgi.providers.azure import AzureAdapter
from litebatch_asgi.providers.openai import OpenAIAdapter

from .wire import BATCH, FILE, Answer, answer, raw_server, refusal, submission_of, upload_of

SECRET = "pk-live-0123456789"
HEADERS = {"x-portkey-api-key": SECRET, "x-portkey-provider": "openai", "User-Agent": "ours"}
NOW = datetime.now(UTC)
PAGE = answer({"data": [], "has_more": False})


@asynccontextmanager
async def adapter_with(
    base_url: str, headers: dict[str, str], *, provider: str = "openai", key: str | None = "sk-1"
) -> AsyncGenerator[ProviderAdapter]:
    deployment = Deployment(
        model_name="virtual",
        model=f"{provider}/m",
        api_base=base_url,
        api_key=key,
        extra_headers=headers,
    )
    adapter = (AzureAdapter if provider == "azure" else OpenAIAdapter)(deployment, Settings())
    async with aclosing(adapter):
        yield adapter


async def read(adapter: ProviderAdapter) -> bytes:
    async with adapter.stream_file("file-1") as stream:
        return b"".join([block async for block in stream.blocks])


async def files(adapter: ProviderAdapter) -> list[object]:
    return [each async for each in adapter.list_files(since=NOW)]


async def batches(adapter: ProviderAdapter) -> list[object]:
    return [each async for each in adapter.list_batches(since=NOW)]


CALLS: dict[str, tuple[Answer, Callable[[ProviderAdapter], Awaitable[object]]]] = {
    "upload_file": (answer(FILE), lambda adapter: adapter.upload_file(upload_of(b"{}"))),
    "retrieve_file": (answer(FILE), lambda adapter: adapter.retrieve_file("file-1")),
    "list_files": (PAGE, files),
    "delete_file": (answer({}), lambda adapter: adapter.delete_file("file-1")),
    "stream_file": (answer(raw=b"abc"), read),
    "create_batch": (answer(BATCH), lambda adapter: adapter.create_batch(submission_of())),
    "retrieve_batch": (answer(BATCH), lambda adapter: adapter.retrieve_batch("batch_1")),
    "list_batches": (PAGE, batches),
    "cancel_batch": (answer(BATCH), lambda adapter: adapter.cancel_batch("batch_1")),
}


@pytest.mark.parametrize("provider", ["openai", "azure", "hosted_vllm"])
async def test_they_are_sent_on_every_call(provider: str) -> None:
    answers = [given for given, _ in CALLS.values()]
    async with (
        raw_server(*answers) as server,
        adapter_with(server.base_url, HEADERS, provider=provider) as adapter,
    ):
        for _, call in CALLS.values():
            await call(adapter)
    assert len(server.received) == len(CALLS)
    for request in server.received:
        assert {name.lower(): value for name, value in HEADERS.items()}.items() <= request.headers.items()
        assert {"authorization", "api-key"} & request.headers.keys()


@pytest.mark.parametrize(
    ("provider", "name"), [("openai", "AUTHORIZATION"), ("azure", "Api-Key"), ("openai", "authorization")]
)
async def test_they_may_stand_for_the_key(provider: str, name: str) -> None:
    """In any case of their letters, and whether or not there is a key besides."""
    for key in ("sk-1", None):
        async with (
            raw_server(answer(BATCH)) as server,
            adapter_with(server.base_url, {name: f"Bearer {SECRET}"}, provider=provider, key=key) as adapter,
        ):
            await adapter.retrieve_batch("batch_1")
        assert server.received[0].headers[name.lower()] == f"Bearer {SECRET}"


async def test_openai_itself_takes_them_in_place_of_a_key() -> None:
    headers = {"authorization": f"Bearer {SECRET}"}
    adapter = OpenAIAdapter(Deployment(model_name="m", model="openai/m", extra_headers=headers), Settings())
    await adapter.aclose()


@pytest.mark.parametrize(
    "name",
    [
        "Content-Length",
        "content-type",
        "Transfer-Encoding",
        "ACCEPT-ENCODING",
        "connection",
        "Content-Encoding",
    ],
)
def test_what_belongs_to_each_message_is_not_theirs(name: str) -> None:
    with pytest.raises(ConfigError, match=f"extra_headers of 'm'.*{name}"):
        Deployment(model_name="m", model="openai/m", extra_headers={name: SECRET})


@pytest.mark.parametrize(
    "headers",
    [
        {"": SECRET},
        {"a b": SECRET},
        {"a:": SECRET},
        {"a\r\nb": SECRET},
        {"ä": SECRET},
        {"x-a": SECRET + "\r\nX: y"},
        {"x-a": SECRET + " "},
        {"x-a": SECRET + "ä"},
        {"x-a": SECRET, "X-A": "other"},
    ],
)
def test_what_fits_into_no_request_is_told_without_showing_it(headers: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="extra_headers of 'm'") as caught:
        Deployment(model_name="m", model="openai/m", extra_headers=headers)
    assert SECRET not in str(caught.value)


def test_they_are_not_shown_with_the_deployment() -> None:
    deployment = Deployment(model_name="m", model="openai/m", extra_headers={"x-a": SECRET})
    assert SECRET not in repr(deployment)
    assert SECRET not in repr(list(deployment.__rich_repr__()))


@pytest.mark.parametrize(
    ("value", "echoed"),
    [
        (SECRET, SECRET),
        (f"Bearer {SECRET}", SECRET),
        (json.dumps({"provider": "openai", "api_key": SECRET}), SECRET),
    ],
)
async def test_a_provider_that_repeats_them_tells_nobody(value: str, echoed: str) -> None:
    entry = {"code": f"no {echoed}", "message": f"Not for {echoed}, nor {value}.", "param": echoed, "line": 1}
    failed = {**BATCH, "status": "failed", "errors": {"data": [entry]}}
    answers: list[Answer] = [
        refusal(401, f"bad {echoed}", f"No access for {echoed}.", param=echoed),
        refusal(400, None, f"Wrong: {value}"),
        answer(failed),
        answer({**FILE, "status": "error", "status_details": f"no {echoed}"}),
    ]
    told: list[Any] = []
    async with raw_server(*answers) as server, adapter_with(server.base_url, {"x-a": value}) as adapter:
        for _ in range(2):
            with pytest.raises(ProviderError) as caught:
                await adapter.retrieve_file("file-1")
            told += [caught.value.message, caught.value.code, caught.value.param]
        told += [await adapter.retrieve_batch("batch_1"), await adapter.retrieve_file("file-1")]
    assert SECRET not in repr(told)
    assert "Not for [hidden]" in repr(told)


async def test_short_values_are_words_like_any_other() -> None:
    async with (
        raw_server(refusal(400, None, "The model openai/x is true.")) as server,
        adapter_with(server.base_url, {"x-a": "openai", "x-b": "true"}) as adapter,
    ):
        with pytest.raises(ProviderError, match="The model openai/x is true"):
            await adapter.retrieve_file("file-1")
