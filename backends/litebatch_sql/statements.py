"""Statements for drivers that number their parameters, out of ours, which name them."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from litebatch_sql.executor import Parameters

_TOKEN = re.compile(
    r"""
      '(?:[^']|'')*'                    # a literal
    | "(?:[^"]|"")*"                    # a quoted name
    | (?P<tag>\$\w*\$) .*? (?P=tag)     # a dollar-quoted literal
    | --[^\n]*
    | /\*.*?\*/
    | ::                                # a cast
    | :(?P<name>[a-zA-Z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)
_REPLACEMENT = "\ufffd"


class Numbered(NamedTuple):
    """A statement with `$1`, `$2` ... and the names of the parameters that these stand for."""

    sql: str
    names: tuple[str, ...]

    def arguments(self, parameters: Parameters) -> list[Any]:
        """The values in order. Raises `KeyError` if one is missing."""
        return [storable(parameters[name]) for name in self.names]


def numbered(sql: str) -> Numbered:
    """Number the `:name`s of a statement, not those inside literals, quoted names and comments."""
    names: dict[str, int] = {}

    def number(token: re.Match[str]) -> str:
        name = token["name"]
        return token[0] if name is None else f"${names.setdefault(name, len(names) + 1)}"

    return Numbered(_TOKEN.sub(number, sql), tuple(names))


def storable(value: Any) -> Any:
    """The value, U+FFFD in the place of each U+0000 of a text: PostgreSQL has no room for that one."""
    return value.replace("\0", _REPLACEMENT) if isinstance(value, str) else value
