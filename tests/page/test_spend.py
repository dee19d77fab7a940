"""The page of what was spent: totals, plot, tables and the file for spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.keys import keys_of
from litebatch_asgi.page.spend.axes import day_labels, money_labels, money_ticks
from tests.access.standalone import MASTER, Standalone, standalone
from tests.database import SQLiteDatabase
from tests.page.markup import Element
from tests.page.visiting import Page, Visitor, visiting
from tests.spend.test_routes import charge
from tests.turns import LONGEST_SECONDS, watching_turns

DAY = date(2026, 3, 10)
ALL = "/spend?from=2026-03-01&to=2026-03-31"
HOSTILE = "</title><script>alert(1)</script>"


@pytest.fixture(scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Standalone]:
    """One on whose database two owners have spent something."""
    folder: Path = tmp_path_factory.mktemp("spend")
    async with standalone(folder, SQLiteDatabase.migrated(folder)) as running:
        await running.manage("/team/new", team_id="a")
        await running.storage.open()
        for at in range(3):
            for cost, model in (("30", "large"), ("10.25", "small")):
                day = DAY + timedelta(days=at)
                await charge(running, cost, owner="team:a", created_by="k1", model=model, day=day)
        await charge(running, "5", owner="user:b", created_by=None, model=HOSTILE, day=DAY)
        await charge(running, None, owner="user:b", created_by=None, model="small", day=DAY)
        await charge(running, "1", owner="user:b", created_by=None, model="small", day=today())
        yield running
        await running.storage.close()


@pytest.fixture
async def admin(gateway: Standalone) -> AsyncGenerator[Visitor]:
    async with visiting(gateway, MASTER) as visitor:
        yield visitor


def today() -> date:
    return datetime.now(UTC).date()


def bars(page: Page) -> Element:
    (found,) = (each for each in page.tree.every("svg") if "bars" in each.classes())
    return found


async def test_an_admin_sees_what_everybody_has_spent(admin: Visitor) -> None:
    page = await admin.get(ALL)
    assert page.facts["Cost"] == "$125.75"
    assert page.facts["Left out"] == "3 requests without a known price"
    models = [row[:3] for row in page.rows if not row[0].startswith("2026")]
    assert models == [
        ["large", "72 %", "$90.00"],
        ["small", "24 %", "$30.75 and 3 requests without a price"],
        [HOSTILE, "4 %", "$5.00"],
    ]
    days = [row for row in page.rows if row[0].startswith("2026")]
    assert days == [
        ["2026-03-10", "$30.00", "$10.25", "$5.00", "$45.25"],
        ["2026-03-11", "$30.00", "$10.25", "", "$40.25"],
        ["2026-03-12", "$30.00", "$10.25", "", "$40.25"],
    ]
    assert "<script>" not in page.html


MANY = """
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 4757)
INSERT INTO spend_rollups
SELECT
    'owner,key,team', 16071 + n % 366, 'user:c', 'key-' || (n % 13), '', '', '', n * 1000000, 1, 0, 1, 1, 0, 1
FROM numbers
"""
"""of each day of 2014, by 13 keys"""


@pytest.mark.parametrize("path", ["/spend", "/spend/csv"])
async def test_a_year_of_many_keys_holds_up_nobody(gateway: Standalone, admin: Visitor, path: str) -> None:
    await gateway.database.change("DELETE FROM spend_rollups WHERE owner = 'user:c'")
    await gateway.database.change(MANY)
    async with watching_turns() as turns:
        answer = await admin.http.get(f"{gateway.address}/ui{path}?from=2014-01-01&to=2015-01-01&by=key")
    assert "key-12" in answer.text
    assert turns.longest < LONGEST_SECONDS


async def test_the_plot_draws_what_the_table_says(admin: Visitor) -> None:
    """Each bar stands on the ones before, and is as high as its money: 60 dollars are 1000 units."""
    drawn = bars(await admin.get(ALL))
    large, small, other = (each.get("d").split("z")[:-1] for each in drawn.every("path"))
    assert large == [f"M{100 * at + 8} 500h84v500h-84" for at in (9, 10, 11)]
    assert small == [f"M{100 * at + 8} 329.17h84v170.83h-84" for at in (9, 10, 11)]
    assert other == ["M908 245.83h84v83.33h-84"]
    assert drawn.get("viewbox") == "0 0 3100 1000"
    title, desc = drawn.first("title"), drawn.first("desc")
    assert title is not None
    assert desc is not None
    assert drawn.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
    assert title.text == "US dollars by day and model"
    assert desc.text.startswith("2026-03-01 to 2026-03-31, $125.75 in all, at most $45.25 a day.")


async def test_it_is_narrowed_down_by_what_is_in_the_table(admin: Visitor) -> None:
    page = await admin.submit((await admin.get(ALL)).form("Show"), by="owner")
    assert [row[0] for row in page.rows if not row[0].startswith("2026")] == ["team:a", "user:b"]
    page = await admin.follow(page, "user:b")
    assert "Owner user:b alone." in page.text
    assert page.facts["Cost"] == "$5.00"
    assert page.form("Show").values["owner"] == "user:b"
    assert (await admin.follow(page, "Show all")).facts["Cost"] == "$125.75"


@pytest.mark.parametrize("by", ["model", "owner", "key", "team", "deployment"])
async def test_the_file_is_that_of_the_api(gateway: Standalone, admin: Visitor, by: str) -> None:
    page = await admin.get(f"{ALL}&by={by}")
    answer = await admin.http.get(admin.address + page.links["Download CSV"])
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="spend-2026-03-01-2026-03-31-by-{by}.csv"'
    )
    query = {"start_date": "2026-03-01", "end_date": "2026-03-31", "group_by": f"day,{by}"}
    async with gateway.http(MASTER) as http:
        same = await http.get("/spend/batches", params=query, headers={"accept": "text/csv"})
    assert answer.text == same.text
    assert len(list(csv.reader(answer.text.splitlines()))) > 2


async def test_owners_see_their_own_alone(gateway: Standalone) -> None:
    async with visiting(gateway, await gateway.new_key(team_id="a")) as visitor:
        page = await visitor.get(ALL)
        assert page.facts["Cost"] == "$120.75"
        assert page.form("Show").options("by") == ["model", "key"]
        assert HOSTILE not in page.text
        for query in ("&by=deployment", "&owner=user:b", "&deployment=east"):
            for path in (ALL, ALL.replace("/spend", "/spend/csv")):
                refused = await visitor.get(path + query)
                assert refused.status == 403
                assert "$" not in refused.main.text


@pytest.mark.parametrize(("days", "is_there"), [(7, True), (30, True), (90, True)])
async def test_the_last_days_are_shown(admin: Visitor, days: int, is_there: bool) -> None:
    page = await admin.follow(await admin.get("/spend"), f"{days} days")
    shown = page.form("Show").values
    assert date.fromisoformat(shown["to"]) - date.fromisoformat(shown["from"]) == timedelta(days=days - 1)
    assert ([today().isoformat(), "$1.00", "$1.00"] in page.rows) is is_there


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("from=2026-03-02&to=2026-03-01", "is after"),
        ("from=1900-01-01", "At most 366 days"),
        ("from=oops", "is no day"),
        ("days=0", "Expected a value >= 1"),
        ("by=secret", "Supported values"),
        ("days=30&to=0001-01-01", None),
        ("model=%00", "control characters"),
    ],
)
async def test_what_cannot_be_is_told_beside_the_form(admin: Visitor, query: str, told: str | None) -> None:
    page = await admin.get(f"/spend?{query}")
    if told is None:
        assert page.status == 200
        assert "Nothing was spent" in page.text
        return
    assert page.status == 400
    assert told in (page.alert or "")
    assert page.form("Show")


async def test_many_things_are_put_together(gateway: Standalone, admin: Visitor) -> None:
    """The plot has colours for seven, and the rest is one."""
    for number in range(10):
        day = date(2025, 6, 1 + number)
        await charge(gateway, str(number + 1), owner="user:c", created_by=None, model=f"m{number}", day=day)
    page = await admin.get("/spend?from=2025-06-01&to=2025-06-30")
    drawn = bars(page)
    assert [each.get("class") for each in drawn.every("path")] == [f"series-{at}" for at in range(8)]
    (legend,) = (each for each in page.tree.every("figcaption"))
    assert legend.text.endswith("m4, $5.00 m3, $4.00 3 others, $6.00"), legend.text
    days = [row for row in page.rows if row[0].startswith("2025")]
    assert days[0] == ["2025-06-01", *[""] * 7, "$1.00", "$1.00"]
    assert days[3] == ["2025-06-04", *[""] * 6, "$4.00", "", "$4.00"]


async def test_those_without_a_name_are_apart_as_well(gateway: Standalone, admin: Visitor) -> None:
    day = date(2025, 7, 1)
    for number in range(9):
        await charge(gateway, str(number + 1), owner="user:c", created_by=f"key-{number}", model="m", day=day)
    await charge(gateway, "20", owner="user:c", created_by=None, model="m", day=day)
    page = await admin.get("/spend?from=2025-07-01&to=2025-07-30&by=key")
    (legend,) = (each for each in page.tree.every("figcaption"))
    assert legend.text.strip().startswith("no key known, $20.00 key-8, $9.00"), legend.text
    assert legend.text.endswith("key-3, $4.00 3 others, $6.00")


async def test_keys_are_called_by_their_aliases(gateway: Standalone, admin: Visitor) -> None:
    """For admins; owners see ids, as everywhere."""
    day = date(2025, 8, 1)
    made = await gateway.manage("/key/generate", user_id="named", key_alias="nightly <b>")
    grant = await keys_of(gateway.storage).find_key(made["token"])
    assert grant is not None
    named = grant.key.id
    for key, cost in ((named, "3"), ("key_gone", "2"), (None, "1")):
        await charge(gateway, cost, owner="user:named", created_by=key, model="m", day=day)
    page = await admin.get("/spend?from=2025-08-01&to=2025-08-30&by=key")
    (legend,) = page.tree.every("figcaption")
    assert legend.text.strip() == "nightly <b>, $3.00 key_gone, $2.00 no key known, $1.00"
    assert [row[0] for row in page.rows if len(row) == 7] == ["nightly <b>", "key_gone", "no key known"]
    alone = await admin.get(f"/spend?from=2025-08-01&to=2025-08-30&key={named}")
    assert f"Key nightly <b> ({named}) alone." in alone.text


@given(st.decimals("0.000000001", "1000000000", places=9))
def test_ticks_are_round_and_few_and_above_all(highest: Decimal) -> None:
    ticks = money_ticks(highest)
    assert ticks[0] == 0
    assert ticks[-2] < highest <= ticks[-1]
    assert 3 <= len(ticks) <= 5
    digits = ticks[1].normalize().as_tuple().digits
    assert digits in ((1,), (2,), (2, 5), (5,))
    labels = money_labels(ticks)
    assert [Decimal(label.removeprefix("$").replace(",", "")) for label in labels] == ticks


@pytest.mark.parametrize("count", [1, 2, 7, 8, 30, 90, 366])
def test_days_have_few_labels(count: int) -> None:
    labels = day_labels([date(2026, 1, 1) + timedelta(days=at) for at in range(count)])
    assert 1 <= len(labels) <= 7
    assert labels[0] == (0, "Jan 1")


async def test_what_has_no_price_is_no_zero(gateway: Standalone, admin: Visitor) -> None:
    day = date(2025, 4, 1)
    await charge(gateway, None, owner="user:d", created_by=None, model="dear", day=day)
    await charge(gateway, "2", owner="user:d", created_by=None, model="mixed", day=day)
    await charge(gateway, None, owner="user:d", created_by=None, model="mixed", day=day)
    page = await admin.get("/spend?from=2025-04-01&to=2025-04-30")
    costs = {row[0]: row[2].partition(" and ")[0] for row in page.rows if len(row) == 7}
    assert costs == {"mixed": "$2.00", "dear": "unknown"}
    (legend,) = page.tree.every("figcaption")
    assert "dear, unknown" in legend.text
