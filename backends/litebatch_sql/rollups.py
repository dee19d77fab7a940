"""Which sums of a day's sums are kept, and which of them say what a query of spend asks for.

Whoever writes sums of a day writes them here as well, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from litebatch_asgi.models import SpendField, SpendQuery
from litebatch_sql.tables import SPEND

_DAY, _OWNER, _KEY, _TEAM, _MODEL, _DEPLOYMENT = SpendField
_ROLLUPS = {
    ",".join(fields): fields
    for fields in (
        (_OWNER, _KEY, _TEAM),
        (_OWNER, _TEAM, _DEPLOYMENT),
        (_OWNER, _TEAM, _MODEL),
        (_OWNER, _TEAM),
        (_MODEL, _DEPLOYMENT),
    )
}
"""Of everything but the last one owners have rows of their own: the last is what all who settle write to."""
_SUMMED = SPEND.columns[len(SpendField) :]
_FILTERS = (_OWNER, _KEY, _TEAM, _MODEL, _DEPLOYMENT)


def rollup_for(query: SpendQuery) -> str | None:
    """The name of the smallest rollup that says what is asked for; None: only each sum of a day does."""
    asked = {*query.group_by, *(field for field in _FILTERS if getattr(query, field) is not None)} - {_DAY}
    return next((name for name, fields in reversed(_ROLLUPS.items()) if asked <= {*fields}), None)


def rows_of(sums: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What rows of `spend_daily` add to each rollup: in the order in which all who write take their locks.

    Those that most others wait for come last, and so are locked the shortest.
    """
    rows: list[dict[str, Any]] = []
    for name, fields in _ROLLUPS.items():
        others = dict.fromkeys((field.value for field in SpendField if field not in {_DAY, *fields}), "")
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for each in sums:
            row = {**each, **others, "fields": name}
            kept = found.setdefault(tuple(row[field] for field in (_DAY, *fields)), row)
            if kept is not row:
                kept |= {column: kept[column] + row[column] for column in _SUMMED}
        rows += (found[place] for place in sorted(found))
    return rows
