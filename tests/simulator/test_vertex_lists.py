"""Lists of jobs: order, pages, filters."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from litebatch_asgi.simulator import Account, Fault, Simulator

from .journeys import JSON
from .vertex import JOBS, TEN, create, upload, vertex_http


@pytest.fixture
def account(account: Account) -> Account:
    account.configure(flavour="vertex", hold=["validating"])
    return account


@pytest.fixture
async def http(address: str, account: Account) -> AsyncIterator[httpx2.AsyncClient]:
    async with vertex_http(address, account) as http:
        yield http


@pytest.fixture
async def names(http: httpx2.AsyncClient, account: Account) -> list[str]:
    """Four jobs, oldest first: `a b c d` with a label `letter` each, and the even ones with `even`."""
    await upload(http, TEN)
    made: list[str] = []
    for letter in "abcd":
        labels = {"letter": letter} | ({"even": ""} if letter in "bd" else {})
        made.append((await create(http, displayName=f"job {letter}", labels=labels))["name"])
    account.configure(hold=[])
    await account.reached(made[0])
    return made


async def get(http: httpx2.AsyncClient, **params: str | int) -> JSON:
    response = await http.get(JOBS, params=params)
    assert response.status_code == 200, response.text
    told: JSON = response.json()
    return told


async def found(http: httpx2.AsyncClient, filter: str) -> str:
    """The letters of the jobs that pass a filter, newest first."""
    told = await get(http, filter=filter)
    return "".join(each["labels"]["letter"] for each in told.get("batchPredictionJobs", []))


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("filter", "letters"),
    [
        ("", "dcba"),
        ('display_name="job a"', "a"),
        ('display_name:"job *"', "dcba"),
        ('display_name:"*B"', "b"),
        ('NOT display_name="job a"', "dcb"),
        ('display_name!="job a"', "dcb"),
        ('labels.letter="c"', "c"),
        ("labels.letter=c", "c"),
        ("labels.even:*", "db"),
        ("NOT labels.even:*", "ca"),
        ('labels.letter=c OR labels.letter="d" AND labels.even:*', "dc"),
        ("(labels.letter=c OR labels.letter=d) AND labels.even:*", "d"),
        ("labels.even:* labels.letter=d", "d"),
        ('create_time>"2021-05-18T00:00:00Z"', "dcba"),
        ('create_time<="2021-05-18T00:00:00Z"', ""),
        ('state="JOB_STATE_FAILED"', ""),
        ('state!="JOB_STATE_FAILED"', "dcba"),
    ],
)
async def test_filters(http: httpx2.AsyncClient, filter: str, letters: str) -> None:
    assert await found(http, filter) == letters


async def test_a_filter_by_state(http: httpx2.AsyncClient, account: Account) -> None:
    await upload(http, TEN)
    await create(http, labels={"letter": "a"})
    assert await found(http, 'state="JOB_STATE_PENDING"') == "a"
    assert await found(http, "state=JOB_STATE_SUCCEEDED") == ""


@pytest.mark.parametrize(
    "filter",
    [
        "name=a",
        "display_name",
        "display_name=",
        "display_name<a",
        "(display_name=a",
        "display_name=a)",
        "AND",
        "create_time>yesterday",
        'create_time>"2021-05-18"',
        'display_name="a',
        "NOT",
    ],
)
async def test_a_filter_that_is_none(http: httpx2.AsyncClient, filter: str) -> None:
    response = await http.get(JOBS, params={"filter": filter})
    assert (response.status_code, response.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


async def test_pages_are_newest_first(http: httpx2.AsyncClient, names: list[str]) -> None:
    first = await get(http, pageSize=3)
    new = (await create(http))["name"]
    assert [each["name"] for each in first["batchPredictionJobs"]] == names[:0:-1]
    second = await get(http, pageSize=3, pageToken=first["nextPageToken"])
    assert [each["name"] for each in second["batchPredictionJobs"]] == names[:1]
    assert "nextPageToken" not in second
    assert (await get(http))["batchPredictionJobs"][0]["name"] == new
    for wrong in ({"pageToken": "x"}, {"pageSize": -1}, {"pageSize": "many"}):
        assert (await http.get(JOBS, params=wrong)).status_code == 400


async def test_a_location_without_jobs(http: httpx2.AsyncClient, names: list[str]) -> None:
    assert (await http.get(JOBS.replace("us-central1", "europe-west4"))).json() == {}


async def test_lists_lag_behind(http: httpx2.AsyncClient, simulator: Simulator, names: list[str]) -> None:
    simulator.add_fault(Fault(call="list_batches", hide_newest=3))
    assert [each["name"] for each in (await get(http))["batchPredictionJobs"]] == names[:1]
    simulator.add_fault(Fault(call="list_batches", page=2, status=500))
    token = (await get(http, pageSize=2))["nextPageToken"]
    response = await http.get(JOBS, params={"pageSize": 2, "pageToken": token})
    assert response.status_code == 500
