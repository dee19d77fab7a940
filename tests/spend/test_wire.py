"""Spend as it is asked for and told."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi import wire
from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models import Spend, SpendField, SpendPage

DAY = date(2026, 3, 1)
TEXTS = (SpendField.OWNER, SpendField.KEY, SpendField.TEAM, SpendField.MODEL, SpendField.DEPLOYMENT)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
formulas = st.builds("{}{}".format, st.sampled_from("=+-@\t\r"), texts)


def page(*items: Spend, group_by: tuple[SpendField, ...] = (SpendField.DAY,)) -> SpendPage:
    return SpendPage(group_by=group_by, items=items, total=Spend(), start=DAY, end=DAY, has_more=False)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ([], "day"),
        ([("group_by", "")], "day"),
        ([("group_by", "model,day")], "model day"),
        ([("group_by", "model"), ("group_by", " day ,model")], "model day"),
        ([("group_by[]", "owner"), ("group_by[]", "key")], "owner key"),
        ([("group_by", "day,owner,key,team,model,deployment")], "day owner key team model deployment"),
    ],
)
def test_what_to_group_by_is_named_in_a_list_or_one_by_one(query: list[tuple[str, str]], fields: str) -> None:
    assert [str(field) for field in wire.parse_spend_query(query).fields] == fields.split()


def test_what_is_left_out_or_empty_is_not_asked_for() -> None:
    names = ("start_date", "end_date", "owner", "key", "team", "model", "deployment", "limit", "format")
    assert wire.parse_spend_query([(name, "") for name in names]) == wire.parse_spend_query([])
    assert wire.parse_spend_query([]).limit == 10_000


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("group_by", "days"),
        ("group_by", "day,week"),
        ("group_by", "Day"),
        ("start_date", "yesterday"),
        ("start_date", "2026-3-1"),
        ("start_date", "20260301"),
        ("start_date", "2026-W09-7"),
        ("start_date", "2026-02-29"),
        ("start_date", "2026-03-01T00:00:00"),
        ("start_date", "2026-03-01\n"),
        ("start_date", "0000-01-01"),
        ("end_date", "\u0662026-03-01"),
        ("limit", "0"),
        ("limit", "10001"),
        ("limit", "many"),
        ("format", "xml"),
        ("owner", "a\0b"),
        ("key", "x" * 257),
        ("team", "x" * 513),
        ("model", "a\nb"),
        ("deployment", "a\x7fb"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(param: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        wire.parse_spend_query([(param, value)])
    assert (refusal.value.param, refusal.value.status) == (param, 400)


def test_days_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="2026-03-02 is after the 'end_date' 2026-03-01") as refusal:
        wire.parse_spend_query([("start_date", "2026-03-02"), ("end_date", "2026-03-01")])
    assert refusal.value.param == "start_date"
    assert wire.parse_spend_query([("start_date", "2026-03-01"), ("end_date", "2026-03-01")]).end == DAY


@pytest.mark.parametrize(
    ("accept", "is_csv"),
    [
        ("", False),
        ("*/*", False),
        ("text/*", False),
        ("application/json", False),
        ("text/csv", True),
        ("Text/CSV; charset=utf-8", True),
        ("text/csv, */*;q=0.1", True),
        ("application/json, text/csv", False),
        ("application/json;q=0.9, text/csv", True),
        ("application/json, text/csv;q=0.9", False),
        ("text/csv;q=0", False),
        ("text/csv;q=much", False),
    ],
)
def test_csv_is_for_those_who_would_rather_have_it(accept: str, is_csv: bool) -> None:
    assert wire.prefers_csv(accept) is is_csv


def test_a_row_has_what_was_grouped_by_and_sums() -> None:
    told = wire.spend_list(
        page(
            Spend(day=DAY, key="", team="", model="small", cost=Decimal("0.0001234"), requests=2),
            group_by=(SpendField.MODEL, SpendField.DAY, SpendField.KEY, SpendField.TEAM),
        )
    )
    [row] = told.data
    assert (row.model, row.day, row.key, row.team) == ("small", "2026-03-01", None, None)
    assert (row.cost, row.requests) == ("0.000123400", 2)
    assert (told.total.cost, told.start_date, told.end_date) == ("0.000000000", "2026-03-01", "2026-03-01")


@pytest.mark.parametrize(
    ("cost", "requests", "unpriced", "told"),
    [
        ("0", 3, 3, None),
        ("0", 3, 2, "0.000000000"),
        ("1", 3, 3, "1.000000000"),
        ("0", 0, 0, "0.000000000"),
        ("-1", 0, -2, "-1.000000000"),
    ],
)
def test_what_nobody_knows_the_price_of_costs_not_nothing(
    cost: str, requests: int, unpriced: int, told: str | None
) -> None:
    row = Spend(day=DAY, cost=Decimal(cost), requests=requests, unpriced_requests=unpriced)
    assert wire.spend_list(page(row, group_by=(SpendField.DAY,))).data[0].cost == told


def test_csv_has_a_row_of_names_and_one_for_each_sum() -> None:
    group_by = (SpendField.DAY, SpendField.KEY, SpendField.MODEL)
    row = Spend(day=DAY, key="", model='a "b", c', cost=Decimal("-0.75"), unpriced_requests=-1)
    assert wire.spend_csv(page(row, group_by=group_by)) == (
        "day,key,model,cost,input_tokens,cached_tokens,output_tokens,requests,unpriced_requests,batches\r\n"
        '2026-03-01,,"a ""b"", c",-0.750000000,0,0,0,0,-1,0\r\n'
    )


@given(st.lists(texts | formulas, min_size=5, max_size=5))
def test_csv_reads_back_and_holds_no_formula(values: list[str]) -> None:
    """A text that a spreadsheet would work out begins with an apostrophe instead."""
    named: dict[str, Any] = dict(zip(TEXTS, values, strict=True))
    written = wire.spend_csv(page(Spend(**named), group_by=TEXTS))
    _, row = csv.reader(io.StringIO(written, newline=""))
    for text, cell in zip(values, row, strict=False):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert cell in (text, f"'{text}")
        assert (cell == text) is not text.startswith(("=", "+", "-", "@", "\t", "\r"))
