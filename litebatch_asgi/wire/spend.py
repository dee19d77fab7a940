"""What was spent, as it is asked for and told: JSON, or CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal, TypeAlias, cast

import msgspec
from msgspec import UNSET, Meta, UnsetType

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models import Spend, SpendField, SpendPage
from litebatch_asgi.models.texts import PLAIN_PATTERN
from litebatch_asgi.wire import checks
from litebatch_asgi.wire.cells import cell
from litebatch_asgi.wire.money import Money, money
from litebatch_asgi.wire.names import MAX_NAME, Pairs
from litebatch_asgi.wire.queries import MAX_OWNER

MAX_ROWS = 10_000
GROUPS_FIELDS = ("group_by", "group_by[]")
CSV = "text/csv"

_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIELDS = tuple(SpendField)
_FILTERS = ("owner", "key", "team", "model", "deployment")

_PLAIN = {"pattern": PLAIN_PATTERN}
_Day: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date"})]
_Text: TypeAlias = Annotated[str, Meta(max_length=MAX_OWNER, extra_json_schema=_PLAIN)]
_Name: TypeAlias = Annotated[str, Meta(max_length=MAX_NAME, extra_json_schema=_PLAIN)]


class SpendAsked(msgspec.Struct, frozen=True, kw_only=True):
    """The query of `GET /spend/batches`. Raises `InvalidRequest` for values that it may not have."""

    group_by: Annotated[
        Sequence[Annotated[str, Meta(extra_json_schema={"enum": list(SpendField)})]],
        Meta(
            description="One row for each combination of these, in their order; several times or separated "
            "by commas. Deployments are for admins alone."
        ),
    ] = (SpendField.DAY,)
    start_date: Annotated[
        _Day | None, Meta(description="The first UTC day; by default there are 30 up to the last one.")
    ] = None
    end_date: Annotated[
        _Day | None, Meta(description="The last UTC day, which counts; by default today.")
    ] = None
    owner: Annotated[
        _Text | None,
        Meta(description="For admins, who otherwise see everybody's. Others may name themselves alone."),
    ] = None
    key: Annotated[_Name | None, Meta(description="A key: its `key_id`, token or secret.")] = None
    team: _Text | None = None
    model: Annotated[_Name | None, Meta(description="The one that answered, by its own name.")] = None
    deployment: Annotated[_Name | None, Meta(description="For admins alone.")] = None
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS, description="Rows at most.")] = MAX_ROWS
    format: Annotated[
        Literal["json", "csv"] | None,
        Meta(description="By default what the header `accept` asks for, `text/csv` or JSON."),
    ] = None

    def __post_init__(self) -> None:
        if isinstance(self.group_by, str):
            raise checks.wrong_type("group_by", "an array", self.group_by)
        for name in self.group_by:
            checks.one_of(_FIELDS, checks.text(name, "group_by"), "group_by")
        first, last = _day(self.start_date, "start_date"), _day(self.end_date, "end_date")
        if first is not None and last is not None and first > last:
            raise InvalidRequest(
                f"Invalid 'start_date': {first} is after the 'end_date' {last}.",
                param="start_date",
                code="invalid_value",
            )
        for name in _FILTERS:
            given = getattr(self, name)
            if given is not None:
                most = MAX_OWNER if name in ("owner", "team") else MAX_NAME
                checks.plain(checks.no_longer_than(most, checks.text(given, name), name), name)
        checks.in_range(self.limit, "limit", 1, MAX_ROWS)
        if self.format is not None:
            checks.one_of(("json", "csv"), checks.text(self.format, "format"), "format")

    @property
    def fields(self) -> tuple[SpendField, ...]:
        """What is grouped by."""
        return tuple(SpendField(name) for name in dict.fromkeys(self.group_by))

    @property
    def start(self) -> date | None:
        """The first day."""
        return _day(self.start_date, "start_date")

    @property
    def end(self) -> date | None:
        """The last day, which counts."""
        return _day(self.end_date, "end_date")


class SpendRow(msgspec.Struct, frozen=True, kw_only=True):
    """What was charged for one combination of what was grouped by; nothing else has a field."""

    day: Annotated[str | UnsetType, Meta(extra_json_schema={"format": "date"})] = UNSET
    owner: str | UnsetType = UNSET
    key: Annotated[str | UnsetType | None, Meta(description="Null: no key is known.")] = UNSET
    team: Annotated[str | UnsetType | None, Meta(description="Null: of no team.")] = UNSET
    model: str | UnsetType = UNSET
    deployment: str | UnsetType = UNSET
    cost: Annotated[
        Money | None,
        Meta(description="US dollars. Null: no price of any of the requests is known."),
    ]
    input_tokens: int
    cached_tokens: Annotated[int, Meta(description="Those of `input_tokens` that came from a cache.")]
    output_tokens: int
    requests: Annotated[int, Meta(description="The successful ones.")]
    unpriced_requests: Annotated[
        int, Meta(description="Those of them that `cost` leaves out, for no price of theirs is known.")
    ]
    batches: Annotated[
        int, Meta(description="Settled ones; one that several models answered counts once for each.")
    ]


_SUMS = SpendRow.__struct_fields__[len(SpendField) :]


class SpendList(msgspec.Struct, frozen=True, kw_only=True):
    """What was charged on some days."""

    object: Literal["list"] = "list"
    data: list[SpendRow]
    total: Annotated[SpendRow, Meta(description="Of all rows, also of those that the limit left out.")]
    start_date: Annotated[str, Meta(extra_json_schema={"format": "date"})]
    end_date: Annotated[str, Meta(extra_json_schema={"format": "date"})]
    has_more: Annotated[bool, Meta(description="Whether the limit left rows out.")]


def parse_spend_query(query: Pairs) -> SpendAsked:
    """The query of `GET /spend/batches`. A parameter without a value is not given."""
    last = dict(query)
    lists = (value.split(",") for name, value in query if name in GROUPS_FIELDS)
    group_by = [name.strip(" ") for listed in lists for name in listed]
    given = {name: last.get(name) or None for name in ("start_date", "end_date", *_FILTERS)}
    return SpendAsked(
        group_by=tuple(name for name in group_by if name) or (SpendField.DAY,),
        limit=checks.integer(last["limit"], "limit") if last.get("limit") else MAX_ROWS,
        format=cast("Literal['json', 'csv'] | None", last.get("format") or None),
        **given,
    )


def prefers_csv(accept: str) -> bool:
    """Whether an `accept` header asks for CSV rather than for JSON. Source: RFC 9110, section 12.5.1."""
    weights = dict(_ranges(accept))
    return weights.get(CSV, 0.0) > max(weights.get("application/json", 0.0), 0.0)


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        name, *parameters = (word.strip().lower() for word in part.split(";"))
        weight = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        yield name, float(weight) if re.fullmatch(r"[01](\.[0-9]{0,3})?", weight) else 0.0


def spend_list(page: SpendPage) -> SpendList:
    """What was spent as JSON tells it."""
    return SpendList(
        data=[SpendRow(**_place(row, page.group_by), **_sums(row)) for row in page.items],
        total=SpendRow(**_sums(page.total)),
        start_date=page.start.isoformat(),
        end_date=page.end.isoformat(),
        has_more=page.has_more,
    )


def spend_csv(page: SpendPage) -> str:
    """What was spent as CSV (RFC 4180) with a row of names. No text of it is a formula to a spreadsheet."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow((*page.group_by, *_SUMS))
    for row in page.items:
        place = _place(row, page.group_by).values()
        writer.writerow((*(cell(text or "") for text in place), *_sums(row).values()))
    return written.getvalue()


def _place(row: Spend, fields: Iterable[SpendField]) -> dict[str, Any]:
    place: Mapping[str, Any] = {field.value: getattr(row, field) for field in fields}
    return {name: str(value) if value != "" else None for name, value in place.items()}


def _sums(row: Spend) -> dict[str, Any]:
    is_unknown = not row.cost and 0 < row.requests == row.unpriced_requests
    return {name: getattr(row, name) for name in _SUMS} | {"cost": None if is_unknown else money(row.cost)}


def _day(given: object, param: str) -> date | None:
    if given is None:
        return None
    text = checks.text(given, param)
    try:
        return date.fromisoformat((_DATE.fullmatch(text) and text) or "")
    except ValueError as error:
        raise InvalidRequest(
            f"Invalid '{param}': '{text[:100]}' is no day. Send a UTC day such as 2026-01-31.",
            param=param,
            code="invalid_value",
        ) from error
