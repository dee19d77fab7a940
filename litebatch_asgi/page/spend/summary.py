"""The page of what was spent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial

import htpy as h
from htpy import Element, Node
from msgspec.structs import replace

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models import Spend, SpendField, SpendPage
from litebatch_asgi.page.parts import (
    amount,
    choice,
    code,
    counted,
    empty,
    facts,
    field,
    filters,
    heading,
    told,
    visible,
)
from litebatch_asgi.page.shown import Shown
from litebatch_asgi.page.spend.asked import CSV_PATH, FIELDS, PATH, RANGES, Asked, fields_for, parse
from litebatch_asgi.page.spend.plot import plot
from litebatch_asgi.page.spend.series import MOST_SERIES, Names, Series, by_cost, rest_of, series_of, value_of
from litebatch_asgi.page.spend.tables import MOST_ROWS, by_day, by_field
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.threads import in_thread

_TITLE = "Spend"


async def show(visit: Visit) -> Shown:
    """`GET /spend`."""
    try:
        asked = parse(visit)
        sums = await visit.services.spending.page(visit.principal, asked.query(asked.by))
        names = await _names(visit, asked, sums)
        series = await _series(visit, asked, sums, names)
    except InvalidRequest as error:
        content: Node = [heading(_TITLE), _filters(visit, visit.query), h.p(role="alert")[error.message]]
        return Shown(title=_TITLE, content=content, status=error.status)
    csv = h.a(".button", href=visit.url(CSV_PATH, asked.address()), download=True)["Download CSV"]
    given = {name: value for name, value in asked.address().items() if value}
    content = [
        heading(_TITLE, csv if sums.items else None),
        _filters(visit, given),
        _narrowed(visit, asked, names),
        await in_thread(partial(_found, visit, asked, sums, series, names))
        if sums.items
        else _nothing(asked),
    ]
    return Shown(title=_TITLE, content=content)


async def _names(visit: Visit, asked: Asked, sums: SpendPage) -> Names:
    """The aliases of keys, for admins alone."""
    if not visit.principal.is_admin:
        return {}
    keys = {asked.only[SpendField.KEY]} if SpendField.KEY in asked.only else set[str]()
    if asked.by is SpendField.KEY:
        keys |= {value_of(row, asked.by) for row in by_cost(sums.items, asked.by)[:MOST_ROWS]}
    if not keys:
        return {}
    aliases = await visit.services.operators.key_aliases(sorted(keys))
    return {key_id: visible(alias) for key_id, alias in aliases.items()}


async def _series(visit: Visit, asked: Asked, sums: SpendPage, names: Names) -> list[Series]:
    """What the dearest have cost by day, and the rest together."""
    spending, principal = visit.services.spending, visit.principal
    if len(sums.items) <= MOST_SERIES + 1:
        by_day_and_value = await spending.page(principal, asked.query(SpendField.DAY, asked.by))
        return series_of(by_day_and_value.items, asked.by, names)
    values = [value_of(row, asked.by) for row in by_cost(sums.items, asked.by)[:MOST_SERIES]]
    narrowed = [asked.narrowed(value).query(SpendField.DAY) for value in values]
    queries = [asked.query(SpendField.DAY), *narrowed]
    found = await asyncio.gather(
        *(spending.page(principal, query) for query in queries), return_exceptions=True
    )
    days, *alone = [page.items for page in map(_found_or_raised, found)]
    dearest = [
        replace(day, **{asked.by.value: value})
        for value, own in zip(values, alone, strict=True)
        for day in own
    ]
    series = series_of(dearest, asked.by, names)
    return [*series, rest_of(days, series, len(sums.items) - len(series))]


def _found_or_raised(found: SpendPage | BaseException) -> SpendPage:
    if isinstance(found, BaseException):
        raise found
    return found


def _filters(visit: Visit, given: Mapping[str, str]) -> Node:
    by = [(each.value, FIELDS[each]) for each in fields_for(visit.principal)]
    kept = {name: given[name] for name in (each.value for each in FIELDS) if given.get(name)}
    return [
        h.nav(".pager", aria_label="Ranges")[(_range(visit, days, kept, given) for days in RANGES)],
        filters(
            visit,
            PATH,
            field("From", "from", given.get("from"), type="date"),
            field("To", "to", given.get("to"), type="date"),
            choice("Group by", "by", by, given.get("by")),
            (h.input(type="hidden", name=name, value=value) for name, value in kept.items()),
        ),
    ]


def _range(visit: Visit, days: int, kept: Mapping[str, str], given: Mapping[str, str]) -> Element:
    today = visit.now.date()
    first = today - timedelta(days=days - 1)
    is_shown = (given.get("from"), given.get("to")) == (first.isoformat(), today.isoformat())
    address = visit.url(PATH, {**kept, "by": given.get("by"), "days": str(days)})
    return h.a(".button", href=address, aria_current="true" if is_shown else None)[f"{days} days"]


def _narrowed(visit: Visit, asked: Asked, names: Names) -> Node:
    """What is left out, and how to see it again."""
    return [
        h.p[
            f"{FIELDS[SpendField(name)]} ",
            h.strong[told(names.get(value) or value)],
            [" (", told(value), ")"] if value in names else None,
            " alone. ",
            h.a(href=visit.url(PATH, asked.address(**{name: None})))["Show all"],
        ]
        for name, value in asked.only.items()
    ]


def _found(visit: Visit, asked: Asked, sums: SpendPage, series: Sequence[Series], names: Names) -> Node:
    called = FIELDS[asked.by].lower()
    return [
        facts(_totals(sums.total)),
        plot(series, asked.start, asked.end, of=f"US dollars by day and {called}"),
        by_field(visit, asked, sums, names),
        by_day(series),
    ]


def _totals(total: Spend) -> list[tuple[str, Node]]:
    without = total.unpriced_requests
    return [
        ("Cost", amount(total.cost)),
        ("Batches", f"{total.batches:,}"),
        ("Successful requests", f"{total.requests:,}"),
        ("Input tokens", f"{total.input_tokens:,} ({total.cached_tokens:,} from a cache)"),
        ("Output tokens", f"{total.output_tokens:,}"),
        ("Left out", f"{counted(without, 'request', 'requests')} without a known price" if without else None),
    ]


def _nothing(asked: Asked) -> Node:
    return empty(
        f"Nothing was spent from {asked.start} to {asked.end}",
        h.p["What a batch has cost is here once its results are in:"],
        code("litebatch batches run requests.jsonl -m MODEL"),
    )
