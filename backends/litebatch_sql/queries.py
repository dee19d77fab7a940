"""Named queries out of `.sql` files.

A query begins with a line `-- name: <name>`, and ends where the next one begins. A line that ends in
`-- if <option>` is part of the statement only where that option is given. Columns of a `Table` are not
spelled out:

- `{files}`: `files."id", files."owner", ...`
- `{files.columns}`: `"id", "owner", ...`
- `{files.parameters}`: `:id, :owner, ...`
- `{files.assignments}`: `"status" = :status, ...`, without those that never change
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import resources
from typing import Any

from litebatch_sql.rows import Table

_NAME = re.compile(r"^-- name: *(\w+) *\n", re.MULTILINE)
_OPTION = re.compile(r" *-- if (\w+)$")
_COLUMNS = re.compile(r"\{(\w+)(?:\.(\w+))?\}")


class Queries:
    """The named queries of one backend."""

    def __init__(self, text: str, tables: Iterable[Table[Any]]) -> None:
        by_name = {table.name: table for table in tables}
        expanded = _COLUMNS.sub(lambda match: by_name[match[1]].sql(match[2]), text)
        _, *sections = _NAME.split(expanded)
        names, bodies = sections[::2], sections[1::2]
        self._bodies = dict(zip(names, bodies, strict=True))
        if len(self._bodies) < len(names):
            raise ValueError(f"a query is there twice: {sorted(names)}")
        self._statements: dict[tuple[str, ...], str] = {}

    @classmethod
    def load(cls, package: str, tables: Iterable[Table[Any]]) -> Queries:
        """The queries of `queries.sql` in an import package. Reads a file."""
        text = resources.files(package).joinpath("queries.sql").read_text(encoding="utf-8")
        return cls(text, tables)

    def __contains__(self, name: str) -> bool:
        return name in self._bodies

    def sql(self, name: str, *options: str) -> str:
        """The statement with the lines of these options. Raises `KeyError` if there is no such query."""
        key = (name, *options)
        if key not in self._statements:
            self._statements[key] = _statement(self._bodies[name], options)
        return self._statements[key]


def _statement(body: str, options: tuple[str, ...]) -> str:
    kept: list[str] = []
    for line in body.splitlines():
        option = _OPTION.search(line)
        if option is None and not line.startswith("--"):
            kept.append(line)
        elif option is not None and option[1] in options:
            kept.append(line[: option.start()])
    return "\n".join(kept).strip().removesuffix(";")
