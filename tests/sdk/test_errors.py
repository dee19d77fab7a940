"""What callers are told when something goes wrong, and what is tried again."""

from __future__ import annotations

import pytest

import litebatch_asgi.sdk as sdk
from litebatch_asgi.errors import NoClearAnswer
from litebatch_asgi.simulator import Fault, Simulator
from tests.harness import ENDPOINT, lines

CONTENT = ("in.jsonl", lines(1, model="m"))


async def create() -> sdk.Batch:
    return await sdk.acreate_batch(completion_window="24h", endpoint=ENDPOINT, input_file_id="file-1")


async def test_a_wrong_key(address: str, simulator: Simulator) -> None:
    simulator.account("default").configure(api_keys=frozenset({"sk-other"}))
    with pytest.raises(sdk.Unauthenticated, match="Check `api_key`") as caught:
        await sdk.alist_batches()
    assert (caught.value.status_code, caught.value.code) == (401, "invalid_api_key")
    assert "sk-simulated" not in str(caught.value)
    assert (await sdk.alist_batches(api_key="sk-other")).data == []


async def test_no_key(bare_environment: None) -> None:
    with pytest.raises(sdk.Unauthenticated, match="api_key is missing, and the environment has no OPENAI_"):
        await sdk.alist_batches()


async def test_no_address(bare_environment: None) -> None:
    with pytest.raises(sdk.InvalidRequest, match="AZURE_API_BASE") as caught:
        await sdk.alist_batches(custom_llm_provider="azure", api_key="k")
    assert caught.value.param == "api_base"


async def test_what_is_not_there(address: str) -> None:
    for call in (sdk.aretrieve_batch("batch_1"), sdk.aretrieve_file("file-1"), sdk.afile_content("file-1")):
        with pytest.raises(sdk.NotFound, match="Check the id") as caught:
            await call
        assert caught.value.status_code == 404


async def test_what_the_provider_refuses(address: str) -> None:
    with pytest.raises(sdk.InvalidRequest, match="Supported values are") as caught:
        await sdk.acreate_batch(completion_window="1h", endpoint=ENDPOINT, input_file_id="file-1")
    assert (caught.value.status_code, caught.value.param) == (400, "completion_window")


async def test_an_address_that_nobody_listens_at(bare_environment: None) -> None:
    nobody = {"api_base": "http://127.0.0.1:9/v1", "max_retries": 0}
    with pytest.raises(sdk.Unavailable, match="Nothing was done") as caught:
        await sdk.acreate_file(file=CONTENT, purpose="batch", **nobody)  # type: ignore[arg-type]
    assert caught.value.code == "provider_unreachable"


async def test_a_create_that_is_not_answered_may_have_been_done(address: str, simulator: Simulator) -> None:
    simulator.account("default").add_fault(Fault(call="create_batch", when="after", drop=True))
    with pytest.raises(sdk.NoAnswer, match="The batch may be there") as caught:
        await create()
    assert isinstance(caught.value.__cause__, NoClearAnswer)
    assert len((await sdk.alist_batches()).data) == 1  # so it was not tried again


async def test_a_create_that_is_refused_for_now_is_tried_again(address: str, simulator: Simulator) -> None:
    account = simulator.account("default")
    fault = account.add_fault(Fault(call="create_batch", status=429, times=2))
    assert (await create()).status == "validating"
    assert fault.struck == 2


async def test_it_is_not_tried_again_where_nobody_wants_that(address: str, simulator: Simulator) -> None:
    simulator.account("default").add_fault(
        Fault(call="upload_file", status=429, headers={"retry-after": "40"})
    )
    with pytest.raises(sdk.RateLimited) as caught:
        await sdk.acreate_file(file=CONTENT, purpose="batch", max_retries=0)
    assert (caught.value.status_code, caught.value.retry_after) == (429, 40)


async def test_a_broken_provider_is_not_asked_to_create_twice(address: str, simulator: Simulator) -> None:
    fault = simulator.account("default").add_fault(Fault(call="create_batch", status=500, times=None))
    with pytest.raises(sdk.Unavailable, match="unless the batch is in a list already") as caught:
        await create()
    assert (caught.value.status_code, fault.struck) == (500, 1)


async def test_arguments_that_there_are_not(address: str) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'api_bse'"):
        await sdk.alist_batches(api_bse="http://x")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="'api_bse'"):
        sdk.list_batches(api_bse="x")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


async def test_arguments_that_only_litellm_has_a_use_for(address: str) -> None:
    page = await sdk.alist_batches(litellm_metadata={"a": 1}, litellm_call_id="1", model_info={"id": "x"})
    assert page.data == []


async def test_a_provider_that_there_is_not() -> None:
    with pytest.raises(sdk.InvalidRequest, match=r"no adapter for custom_llm_provider 'opnai'.*openai"):
        await sdk.alist_batches(custom_llm_provider="opnai")
