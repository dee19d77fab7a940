"""Named queries out of `.sql` files: those that all databases share, and those of one.

A query begins with a line `-- name: <name>`, and ends where the next one begins. What stands in the files of
a database's own package takes the place of what has the same name here. A line that ends in `-- if <option>`
is part of the statement only where that option is given. Columns of a `Table` are not spelled out:

- `{files}`: `files."id", files."owner", ...`
- `{files.columns}`: `"id", "owner", ...`
- `{files.parameters}`: `:id, :owner, ...`
- `{files.assignments}`: `"status" = :status, ...`, without those that never change

`{prefix}` stands before the name of each table: `FROM {prefix}files AS files`. The name of another query
stands for that query in parentheses, as in `FROM {due_jobs} AS due`.

A line `-- fragment: <name> <text>`, where the text may go on below, names what `{<name>}` stands for: one
line, so that an option holds for all of it. A line
`-- type: <kind> <type>` before the first query is the database's type for columns of a kind (`key`, `json`,
`money`, `blob`): `{type.json}` in migrations. Values of a kind that is not kept as text are written and read
by way of text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from litebatch_asgi.errors import ConfigError
from litebatch_sql.rows import Table

_SHARED = "litebatch_sql"
_FILES = (
    "queries.sql",
    "keys.sql",
    "webhooks.sql",
    "contents.sql",
    "lines.sql",
    "uploads.sql",
    "operators.sql",
    "clocks.sql",
    "search.sql",
    "sessions.sql",
)
_PREFIX = re.compile(r"[a-z_][a-z0-9_]*")
_TYPE = re.compile(r"^-- type: *(\w+) +(.+?) *$", re.MULTILINE)
_HEAD = re.compile(r"^-- (name|fragment): *(\w+) *", re.MULTILINE)
_OPTION = re.compile(r" *-- if (\w+)$")
_PLACE = re.compile(r"\{(\w+)(?:\.(\w+))?\}")


class Queries:
    """The named queries of one backend. In `texts` later ones go before earlier ones."""

    def __init__(self, *texts: str, tables: Iterable[Table[Any]], prefix: str = "") -> None:
        self._prefix = prefix
        self._tables = {table.name: table for table in tables}
        self._types: dict[str, str] = {}
        self._fragments: dict[str, str] = {}
        self._bodies: dict[str, str] = {}
        self._statements: dict[tuple[str, ...], str] = {}
        for text in texts:
            self._read(text)
        for name in self._bodies:
            self.sql(name)

    @classmethod
    def load(cls, package: str, tables: Iterable[Table[Any]], *, prefix: str = "") -> Queries:
        """The shared queries, and those of an import package. Reads files."""
        files = [
            file
            for folder in (_SHARED, package)
            for file in map(resources.files(folder).joinpath, _FILES)
            if file.is_file()
        ]
        texts = [_text(file) for file in files]
        return cls(*texts, tables=tables, prefix=prefix)

    def _read(self, text: str) -> None:
        header, *sections = _HEAD.split(text)
        self._types |= dict(_TYPE.findall(header))
        names = sections[1::3]
        if len(names) != len(set(names)):
            raise ValueError(f"of the queries {', '.join(names)} one is there twice")
        for kind, name, body in zip(sections[::3], names, sections[2::3], strict=True):
            (self._bodies if kind == "name" else self._fragments)[name] = body

    def expanded(self, text: str) -> str:
        """A text with what the places in braces stand for. Raises `KeyError` for one that is not known."""
        return _PLACE.sub(self._expansion, text)

    def _expansion(self, place: re.Match[str]) -> str:
        name, form = place.groups()
        if name == "prefix":
            return self._prefix
        if name == "type":
            return self._types[form]
        if name in self._tables:
            return self._tables[name].sql(form, self._types)
        if name in self._fragments:
            return self.expanded(" ".join(_statement(self._fragments[name], ()).splitlines()))
        return f"({self.sql(name)})"

    def __contains__(self, name: str) -> bool:
        return name in self._bodies

    def sql(self, name: str, *options: str) -> str:
        """The statement with the lines of these options. Raises `KeyError` if there is no such query."""
        key = (name, *options)
        if key not in self._statements:
            self._statements[key] = _statement(self.expanded(self._bodies[name]), options)
        return self._statements[key]


def _text(file: Traversable) -> str:
    return file.read_text(encoding="utf-8")


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
