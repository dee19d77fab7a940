"""Spend over HTTP and in process, and what accounts and batches tell of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from litebatch_asgi.errors import InvalidRequest, PermissionDenied
from litebatch_asgi.keys import keys_of
from litebatch_asgi.models import BatchStatus, JobState, Principal, SpendField
from litebatch_asgi.testing import a_batch, a_charge, a_file, a_job
from litebatch_asgi.testing.conformance.base import stored_batch, writing
from litebatch_asgi.testing.conformance.ledger import used
from litebatch_sql.ledger import SQLLedger
from tests.access.standalone import MASTER, Standalone, standalone
from tests.costs.settled import requests
from tests.database import BACKENDS, database_on

DAY = date(2026, 3, 1)
DAYS = {"start_date": "2026-02-01", "end_date": "2026-03-31"}
ADMIN = Principal(owner="admin", is_admin=True)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=BACKENDS)
async def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Standalone]:
    """A gateway on whose database two owners have spent something."""
    folder: Path = tmp_path_factory.mktemp("spend")
    async with database_on(request.param, folder) as database, standalone(folder, database) as gateway:
        await gateway.storage.open()
        await charge(gateway, "0.0001234", owner="team:a", created_by="k1", model="small")
        await charge(gateway, "2", owner="team:a", created_by="k2", model="large", deployment_id="west")
        await charge(gateway, "9000000", owner="user:b", created_by=None, model="=small", day=DAY)
        await charge(gateway, None, owner="user:b", created_by=None, model="small", day=DAY)
        yield gateway
        await gateway.storage.close()


async def charge(
    gateway: Standalone,
    cost: str | None,
    *,
    owner: str,
    day: date = DAY - timedelta(days=1),
    scopes: tuple[str, ...] = (),
    **fields: Any,
) -> None:
    """A batch that has cost that much, of which nothing is left to be done."""
    batch = a_batch(a_file(owner=owner), status=BatchStatus.COMPLETED, scopes=scopes)
    job = a_job(batch, state=JobState.SETTLED, next_check_at=None)
    await stored_batch(gateway.storage, job, batch=batch)
    one = a_charge(
        job,
        batch,
        cost=None if cost is None else Decimal(cost),
        usage=used(3, unpriced=3 if cost is None else 0),
        created_at=datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
        scopes=scopes,
        **fields,
    )
    await gateway.storage.change_batch(batch.id, writing(charges=(one,)))


async def spend(
    gateway: Standalone, caller: str = MASTER, *, accept: str = "*/*", **query: Any
) -> httpx2.Response:
    async with gateway.http(caller) as http:
        return await http.get("/spend/batches", params=DAYS | query, headers={"accept": accept})


async def test_an_admin_sees_what_everybody_has_spent(shared: Standalone) -> None:
    answer = await spend(shared, group_by="day,owner")
    told = answer.json()
    rows = [(row["day"], row["owner"], row["cost"], row["unpriced_requests"]) for row in told["data"]]
    assert rows == [
        ("2026-02-28", "team:a", "2.000123400", 0),
        ("2026-03-01", "user:b", "9000000.000000000", 3),
    ]
    assert set(told["data"][0]) == {
        *("day", "owner", "cost", "input_tokens", "cached_tokens", "output_tokens", "requests"),
        *("unpriced_requests", "batches"),
    }
    assert told["total"] == {
        "cost": "9000002.000123400",
        "input_tokens": 120,
        "cached_tokens": 24,
        "output_tokens": 60,
        "requests": 12,
        "unpriced_requests": 3,
        "batches": 4,
    }
    assert (told["object"], told["has_more"]) == ("list", False)


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ({"owner": "team:a"}, "2.000123400"),
        ({"key": "k1"}, "0.000123400"),
        ({"team": "a"}, "2.000123400"),
        ({"model": "=small"}, "9000000.000000000"),
        ({"deployment": "west"}, "2.000000000"),
        ({"start_date": "2026-03-01"}, "9000000.000000000"),
        ({"end_date": "2026-02-28"}, "2.000123400"),
        ({"owner": "user:b", "key": "k1"}, "0.000000000"),
    ],
)
async def test_spend_is_what_was_asked_for(shared: Standalone, query: dict[str, str], cost: str) -> None:
    assert (await spend(shared, **query)).json()["total"]["cost"] == cost


async def test_rows_come_in_order_up_to_a_limit(shared: Standalone) -> None:
    """The total is of all of them."""
    told = (await spend(shared, group_by=["model", "deployment"], limit="2")).json()
    assert [(row["model"], row["deployment"]) for row in told["data"]] == [
        ("=small", "east"),
        ("large", "west"),
    ]
    assert told["has_more"] is True
    assert told["total"]["cost"] == "9000002.000123400"
    assert (await spend(shared, group_by=["model", "deployment"], limit="3")).json()["has_more"] is False


@pytest.mark.parametrize("asked", [{"accept": "text/csv"}, {"format": "csv"}])
async def test_spreadsheets_get_csv(shared: Standalone, asked: dict[str, str]) -> None:
    answer = await spend(shared, group_by="model,key", limit="3", **asked)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["x-litebatch-has-more"] == "true"
    assert answer.text.split("\r\n") == [
        "model,key,cost,input_tokens,cached_tokens,output_tokens,requests,unpriced_requests,batches",
        "'=small,,9000000.000000000,30,6,15,3,0,1",
        "large,k2,2.000000000,30,6,15,3,0,1",
        "small,,,30,6,15,3,3,1",
        "",
    ]
    told = await spend(shared, format="json", accept="text/csv")
    assert told.headers["content-type"] == "application/json"


async def test_others_see_their_own_alone(shared: Standalone) -> None:
    """And no name of a deployment."""
    await shared.manage("/team/new", team_id="a", inherit=True)
    key = await shared.new_key(team_id="a")
    told = (await spend(shared, key, group_by="owner,model")).json()
    assert [(row["owner"], row["cost"]) for row in told["data"]] == [
        ("team:a", "2.000000000"),
        ("team:a", "0.000123400"),
    ]
    assert (await spend(shared, key, owner="team:a")).json()["total"]["cost"] == "2.000123400"
    assert (await spend(shared, key, team="b")).json()["total"]["requests"] == 0
    refused = {"owner": "user:b", "deployment": "west", "group_by": "day,deployment"}
    for param, value in refused.items():
        answer = await spend(shared, key, **{param: value})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (403, "permission_denied", param)


async def test_wrong_questions_are_told_by_name(shared: Standalone) -> None:
    for param, value in {"start_date": "2026-04-01", "group_by": "week", "limit": "0"}.items():
        answer = await spend(shared, **{param: value})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_the_last_thirty_days_are_told_by_default(shared: Standalone) -> None:
    async with shared.http(MASTER) as http:
        last = (await http.get("/spend/batches")).json()
        before = (await http.get("/spend/batches", params={"end_date": "2026-03-01"})).json()
        later = (await http.get("/spend/batches", params={"start_date": "9999-12-31"})).json()
        first = (await http.get("/spend/batches", params={"end_date": "0001-01-01"})).json()
    today = datetime.now(UTC).date()
    assert abs(date.fromisoformat(last["end_date"]) - today) <= timedelta(days=1)
    assert date.fromisoformat(last["end_date"]) - date.fromisoformat(last["start_date"]) == timedelta(days=29)
    assert (before["start_date"], before["end_date"]) == ("2026-01-31", "2026-03-01")
    assert [later["start_date"], later["end_date"], later["data"]] == ["9999-12-31", "9999-12-31", []]
    assert [first["start_date"], first["end_date"], first["data"]] == ["0001-01-01", "0001-01-01", []]


async def test_spend_in_process_is_the_same(shared: Standalone) -> None:
    litebatch = shared.litebatch
    days: dict[str, Any] = {"start_date": DAY - timedelta(days=9), "end_date": DAY}
    page = await litebatch.spend(ADMIN, group_by=["owner", "day"], limit=1, **days)
    assert page.group_by == (SpendField.OWNER, SpendField.DAY)
    assert [(row.owner, row.day, row.cost) for row in page.items] == [
        ("team:a", DAY - timedelta(days=1), Decimal("2.0001234"))
    ]
    assert (page.total.cost, page.has_more) == (Decimal("9000002.0001234"), True)
    own = await litebatch.spend(Principal(owner="user:b"), **days)
    assert own.total.cost == 9_000_000
    with pytest.raises(PermissionDenied):
        await litebatch.spend(Principal(owner="user:b"), owner="team:a")
    for wrong in ("day", ["week"], [1]):
        with pytest.raises(InvalidRequest):
            await litebatch.spend(ADMIN, group_by=wrong)  # type: ignore[arg-type]


async def test_accounts_tell_what_was_charged_to_them(shared: Standalone) -> None:
    """A number, exact to the last digit; in their own answers and in lists."""
    await shared.manage("/team/new", team_id="spends")
    made = await shared.manage("/key/generate", team_id="spends", user_id="u-spends")
    [found] = (await shared.look("/key/list", team_id="spends", return_full_object="true"))["keys"]
    assert found["spend"] == 0
    grant = await keys_of(shared.storage).find_key(made["token"])
    assert grant is not None
    scopes = (f"key:{grant.key.id}", "team:spends", "user:u-spends")
    for number, cost in enumerate(("9000000.123456789", "0.000000001", "1")):
        await charge(shared, cost, owner="team:spends", created_by=grant.key.id, scopes=scopes[number:])
    async with shared.http(MASTER) as http:
        told = await http.get("/team/info", params={"team_id": "spends"})
    assert '"spend":9000000.123456790' in told.text
    assert told.json()["keys"][0]["spend"] == 9000000.123456789
    key = await shared.look("/key/info", key=made["key"])
    assert key["info"]["spend"] == 9000000.123456789
    own = await shared.look("/key/info", caller=made["key"])
    assert own == key
    assert (await shared.look("/key/list", team_id="spends", return_full_object="true"))["keys"] == [
        key["info"]
    ]
    user = await shared.look("/user/info", user_id="u-spends")
    assert user["user_info"]["spend"] == 9000001.12345679
    assert [user["keys"][0]["spend"], user["teams"][0]["spend"]] == [9000000.123456789, 9000000.12345679]
    [listed] = (await shared.look("/user/list", user_ids="u-spends"))["users"]
    assert listed == user["user_info"]
    teams = {team["team_id"]: team["spend"] for team in await shared.look("/team/list")}
    assert teams["spends"] == 9000000.12345679


async def test_a_key_is_found_by_whatever_names_it(shared: Standalone) -> None:
    """By what rows have of it, which it tells itself, by its token and by its secret."""
    made = await shared.manage("/key/generate", team_id="a")
    later = DAY + timedelta(days=90)
    await charge(shared, "3", owner="team:a", created_by=made["key_id"], day=later)
    days = {"start_date": str(later), "end_date": str(later)}
    for name in (made["key_id"], made["token"], made["key"]):
        told = (await spend(shared, group_by="key", key=name, **days)).json()
        assert [(row["key"], row["cost"]) for row in told["data"]] == [(made["key_id"], "3.000000000")]
    assert (await shared.look("/key/info", key=made["key"]))["info"]["key_id"] == made["key_id"]
    stranger = await shared.new_key(user_id="stranger")
    assert (await spend(shared, stranger, key=made["token"], **days)).json()["data"] == []


async def test_a_page_of_a_list_is_one_question(shared: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        await shared.new_key(user_id="u-many")
    asked: list[int] = []
    spent = SQLLedger.spent

    async def counting(ledger: SQLLedger, since: Mapping[str, date | None]) -> dict[str, Decimal]:
        asked.append(len(since))
        return await spent(ledger, since)

    monkeypatch.setattr(SQLLedger, "spent", counting)
    await shared.look("/key/list", user_id="u-many", return_full_object="true")
    await shared.look("/user/info", user_id="u-many")
    await shared.look("/key/list", user_id="u-many")
    assert asked == [3, 4]


async def test_a_batch_tells_its_cost_as_soon_as_it_is_settled(shared: Standalone) -> None:
    """Beside OpenAI's fields and in a header, to its owner; and its scopes are charged."""
    await shared.manage("/team/new", team_id="runs")
    key = await shared.new_key(team_id="runs", user_id="u-runs")
    file = await shared.upload(requests({"model": "gpt-4o-mini", "input_tokens": 1000}), key=key)
    batch = await shared.create(file.id, key=key)
    await shared.ended(batch.id, key=key)
    async with shared.http(key) as http:
        answer = await http.get(f"/batches/{batch.id}")
        [listed] = (await http.get("/batches")).json()["data"]
    told = answer.json()["litebatch"]
    [row] = (await spend(shared, key, start_date="2026-01-01", end_date="9999-01-01")).json()["data"]
    assert Decimal(told["cost"]) > 0
    assert told["cost_is_final"] is True
    assert told["unpriced_requests"] == 0
    assert answer.headers["x-litebatch-cost"] == told["cost"] == row["cost"]
    assert listed["litebatch"] == told
    for path, query in {"/team/info": {"team_id": "runs"}, "/user/info": {"user_id": "u-runs"}}.items():
        info = await shared.look(path, **query)
        account = info.get("team_info") or info["user_info"]
        assert Decimal(str(account["spend"])) == Decimal(told["cost"])
        assert info["keys"][0]["spend"] == account["spend"]
