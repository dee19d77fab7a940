"""Structs as rows: which column holds which field, and in what form."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar, get_args, get_origin

import msgspec

from litebatch_asgi.models.money import from_nanodollars, to_nanodollars

Row: TypeAlias = Sequence[Any]
"""A row as the driver gives it, by position."""

S = TypeVar("S", bound=msgspec.Struct)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


class Codec(NamedTuple):
    """How a value that is not None goes into the database and comes out of it."""

    to_database: Callable[[Any], Any]
    from_database: Callable[[Any], Any]
    kind: str | None = None
    """`json` or `money`: for what some databases have a type of its own"""


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of an aware moment."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The moment, in UTC, that many microseconds after 1970 began."""
    return _EPOCH + timedelta(0, 0, microseconds)  # by its name takes longer


def to_days(day: date) -> int:
    """Days since 1970 began."""
    return day.toordinal() - _EPOCH.toordinal()


def from_days(days: int) -> date:
    """The day that many days after 1970 began."""
    return date.fromordinal(days + _EPOCH.toordinal())


def encode_json(value: Any) -> str:
    """JSON text; U+FFFD in the place of each U+0000, for which PostgreSQL has no room."""
    text = msgspec.json.encode(value).decode()
    return _NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text


def encode_keys(keys: Iterable[str]) -> str:
    """The parameter `:keys` for rows that one text identifies."""
    return encode_json([(key,) for key in keys])


MOMENT = Codec(to_microseconds, from_microseconds)
MONEY = Codec("{:f}".format, Decimal, "money")
NANODOLLARS = Codec(to_nanodollars, from_nanodollars)
"""Money that the database sums up: a whole number of 1e-9 US dollars."""
DAY = Codec(to_days, from_days)
BOOLEAN = Codec(int, bool)
HEX_128 = Codec("{:032x}".format, partial(int, base=16))
"""An unsigned number of up to 128 bits: more than a database's integers hold."""


def _enum_codec(enum: type[Enum]) -> Codec:
    members = {member.value: member for member in enum}
    return Codec(attrgetter("value"), members.__getitem__)


def _json_codec(of: Any) -> Codec:
    decoder = msgspec.json.Decoder(of)
    return Codec(encode_json, decoder.decode, "json")


def _codec_for(hint: Any) -> Codec | None:
    """The codec of a field's type; None where the driver takes the values as they are."""
    if isinstance(hint, types.UnionType):
        (hint,) = (part for part in get_args(hint) if part is not types.NoneType)
    if hint in (str, int, bytes):
        return None
    if hint in (datetime, date, Decimal, bool):
        return {datetime: MOMENT, date: DAY, Decimal: MONEY, bool: BOOLEAN}[hint]
    if get_origin(hint) is None and issubclass(hint, Enum):
        return _enum_codec(hint)
    return _json_codec(hint)


class Table(Generic[S]):
    """A table whose columns are the fields of a struct, under their names and in their order.

    Moments are integer microseconds since 1970, dates days since then, money is text without an exponent,
    enums are their values, and what is nested (structs, tuples, dicts) is JSON. `codecs` names the columns
    that are kept in another form, `fixed` those that never change: an update leaves them and their indexes
    alone.
    """

    def __init__(
        self,
        name: str,
        struct: type[S],
        *,
        codecs: Mapping[str, Codec] | None = None,
        fixed: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.columns = struct.__struct_fields__
        self.width = len(self.columns)
        self._struct = struct
        self._fixed = frozenset(fixed)
        kept = {field.name: _codec_for(field.type) for field in msgspec.structs.fields(struct)}
        kept.update(codecs or {})
        self._kinds = {column: codec.kind for column, codec in kept.items() if codec is not None}
        self._codecs = [(column, codec) for column, codec in kept.items() if codec is not None]
        self._decoders = [(self.columns.index(column), codec.from_database) for column, codec in self._codecs]

    def encode(self, value: S) -> dict[str, Any]:
        """The parameters, by column, that write `value`."""
        row = msgspec.structs.asdict(value)
        for column, codec in self._codecs:
            field = row[column]
            if field is not None:
                row[column] = codec.to_database(field)
        return row

    def decode(self, row: Row, start: int = 0) -> S:
        """The struct whose columns begin at `start` of the row."""
        fields = list(row[start : start + self.width])
        for place, from_database in self._decoders:
            field = fields[place]
            if field is not None:
                fields[place] = from_database(field)
        return self._struct(**dict(zip(self.columns, fields, strict=True)))

    def sql(self, form: str | None, types: Mapping[str, str] | None = None) -> str:
        """The columns as they stand in a statement, see `Queries`. Raises `KeyError` for an unknown form.

        `types` are the database's own, by kind.
        """
        template = {
            None: "{read}",
            "columns": '"{column}"',
            "parameters": "{written}",
            "assignments": '"{column}" = {written}',
        }[form]
        left_out = self._fixed if form == "assignments" else frozenset[str]()
        return ", ".join(
            template.format(column=column, **self._places(column, types or {}))
            for column in self.columns
            if column not in left_out
        )

    def _places(self, column: str, types: Mapping[str, str]) -> dict[str, str]:
        """How a column is read, and how it is written."""
        read, written = f'{self.name}."{column}"', f":{column}"
        own = types.get(self._kinds.get(column) or "")
        if own is None or own.lower() == "text":
            return {"read": read, "written": written}
        return {"read": f"CAST({read} AS text)", "written": f"CAST(CAST({written} AS text) AS {own})"}
