"""Named queries out of `.sql` files.

A query begins with a line `-- name: <name>`, and ends where the next one begins. A line that ends in
`-- if <option>` is part of the statement only where that option is given. Columns of a `Table` are not
spelled out:

- `{files}`: `files."id", files."owner", ...`
- `{files.columns}`: `"id", "owner", ...`
- `{files.parameters}`: `:id, :owner, ...`
- `{files.assignments}`: `"status" = :status, ...`, without those that never change

`{prefix}` stands before the name of each table: `FROM {prefix}files AS files`. `{now}`, and any other name of
an earlier query, stands for that query in parentheses. A line `-- type: <kind> <type>` before the first query
says that the database has a type of its own for columns of a kind (`json`, `money`), which are then written
and read as text by way of that type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import resources
from typing import Any

from litebatch_asgi.errors import ConfigError
from litebatch_sql.rows import Table

_PREFIX = re.compile(r"[a-z_][a-z0-9_]*")
_TYPE = re.compile(r"^-- type: *(\w+) +(\w+) *$", re.MULTILINE)
_NAME = re.compile(r"^-- name: *(\w+) *\n", re.MULTILINE)
_OPTION = re.compile(r" *-- if (\w+)$")
_PLACE = re.compile(r"\{(\w+)(?:\.(\w+))?\}")


class Queries:
    """The named queries of one backend."""

    def __init__(self, text: str, tables: Iterable[Table[Any]], *, prefix: str = "") -> None:
        self._prefix = prefix
        self._tables = {table.name: table for table in tables}
        header, *sections = _NAME.split(text)
        self._types = dict(_TYPE.findall(header))
        self._bodies: dict[str, str] = {}
        for name, body in zip(sections[::2], sections[1::2], strict=True):
            if name in self._bodies:
                raise ValueError(f"the query {name} is there twice")
            self._bodies[name] = _PLACE.sub(self._expansion, body)
        self._statements: dict[tuple[str, ...], str] = {}

    @classmethod
    def load(cls, package: str, tables: Iterable[Table[Any]], *, prefix: str = "") -> Queries:
        """The queries of `queries.sql` and `keys.sql` in an import package. Reads these files."""
        files = [resources.files(package).joinpath(name) for name in ("queries.sql", "keys.sql")]
        text = "\n".join(file.read_text(encoding="utf-8") for file in files)
        return cls(text, tables, prefix=prefix)

    def _expansion(self, place: re.Match[str]) -> str:
        name, form = place.groups()
        if name == "prefix":
            return self._prefix
        if name in self._tables:
            return self._tables[name].sql(form, self._types)
        return f"({_statement(self._bodies[name], ())})"

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


def check_prefix(prefix: str) -> str:
    """The prefix of table names, or a `ConfigError` if it cannot be one."""
    if prefix and _PREFIX.fullmatch(prefix) is None:
        raise ConfigError(
            f"table_prefix {prefix!r}: lower-case letters, digits and underscores, and no digit at the start"
        )
    return prefix
