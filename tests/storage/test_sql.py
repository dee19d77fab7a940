"""What the SQL storages share: rows, queries, migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litebatch_sql import Queries
from litebatch_sql.migrations import load_migrations
from litebatch_sql.rows import HEX_128, Table, from_microseconds, to_microseconds
from litebatch_sql.tables import TABLES


class Colour(Enum):
    RED = 1
    GREEN = 2


class Inner(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    at: datetime | None = None


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    number: int
    wide: int
    blob: bytes | None
    flag: bool
    maybe: bool | None
    moment: datetime | None
    money: Decimal | None
    colour: Colour
    inner: Inner | None
    names: tuple[str, ...]
    pairs: dict[str, str] | None


SAMPLES: Table[Sample] = Table("samples", Sample, codecs={"wide": HEX_128})

moments = st.datetimes(timezones=st.just(UTC))
texts = st.text(st.characters(exclude_categories=["Cs"]))
inners = st.builds(Inner, name=texts, at=st.none() | moments)
samples = st.builds(
    Sample,
    text=texts,
    number=st.integers(-(2**63), 2**63 - 1),
    wide=st.integers(0, 2**128 - 1),
    blob=st.none() | st.binary(),
    flag=st.booleans(),
    maybe=st.none() | st.booleans(),
    moment=st.none() | moments,
    money=st.none() | st.decimals(allow_nan=False, allow_infinity=False),
    colour=st.sampled_from(Colour),
    inner=st.none() | inners,
    names=st.lists(texts).map(tuple),
    pairs=st.none() | st.dictionaries(texts, texts),
)


@settings(deadline=None)
@given(samples)
def test_rows_come_back_as_they_were(sample: Sample) -> None:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(f"CREATE TABLE samples ({SAMPLES.sql('columns')})")
        insert = f"INSERT INTO samples VALUES ({SAMPLES.sql('parameters')})"
        connection.execute(insert, SAMPLES.encode(sample))
        row = connection.execute(f"SELECT 'before', {SAMPLES.sql(None)}, 'behind' FROM samples").fetchone()
    finally:
        connection.close()
    assert SAMPLES.decode(row, 1) == sample


@settings(deadline=None)
@given(moments)
def test_moments_are_microseconds(moment: datetime) -> None:
    assert from_microseconds(to_microseconds(moment)) == moment


def test_moments_of_another_time_zone_are_the_same_moment() -> None:
    there = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=5)))
    assert from_microseconds(to_microseconds(there)) == there


def test_naive_moments_are_refused() -> None:
    with pytest.raises(TypeError):
        to_microseconds(datetime(2026, 1, 1))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_columns_are_those_of_the_schema(table: Table[msgspec.Struct]) -> None:
    connection = sqlite3.connect(":memory:")
    try:
        for migration in load_migrations("litebatch_sqlite"):
            connection.executescript(migration.sql)
        columns = connection.execute(f"PRAGMA table_info({table.name})").fetchall()
    finally:
        connection.close()
    assert {column[1] for column in columns} == set(table.columns)


TEXT = """
-- what stands before the first query is ignored {samples}
-- name: first
-- A comment with {braces}?
SELECT {samples} FROM samples
WHERE TRUE
  AND number = :number  -- if number
  AND text = :text  -- if text
LIMIT 1;

-- name: second
INSERT INTO samples ({samples.columns}) VALUES ({samples.parameters});
"""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    one: str
    drop: str


def test_queries_are_found_by_name() -> None:
    queries = Queries(TEXT.replace("{braces}", "words"), [Table("samples", Pair)])
    assert queries.sql("second") == 'INSERT INTO samples ("one", "drop") VALUES (:one, :drop)'
    assert "second" in queries
    assert "third" not in queries
    with pytest.raises(KeyError):
        queries.sql("third")


def test_lines_of_options_are_there_when_they_are_given() -> None:
    queries = Queries(TEXT.replace("{braces}", "words"), [Table("samples", Pair)])
    bare = 'SELECT samples."one", samples."drop" FROM samples\nWHERE TRUE\nLIMIT 1'
    assert queries.sql("first") == bare
    assert queries.sql("first", "text") == bare.replace("\nLIMIT", "\n  AND text = :text\nLIMIT")
    assert queries.sql("first", "number", "text").count("AND") == 2


@pytest.mark.parametrize(
    ("fixed", "assignments"),
    [((), '"one" = :one, "drop" = :drop'), (("one",), '"drop" = :drop')],
)
def test_assignments_name_what_may_change(fixed: tuple[str, ...], assignments: str) -> None:
    table = Table("pairs", Pair, fixed=fixed)
    queries = Queries("-- name: change\nUPDATE pairs SET {pairs.assignments};\n", [table])
    assert queries.sql("change") == f"UPDATE pairs SET {assignments}"


@pytest.mark.parametrize(
    "text", ["-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n", "-- name: a\n{unknown}\n"]
)
def test_mistakes_in_a_file_are_found_when_it_is_loaded(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        Queries(text, [Table("pairs", Pair)])


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], str]:
    """Makes an import package with migrations."""

    def make(files: dict[str, str]) -> str:
        folder = tmp_path / "some_backend" / "migrations"
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        return "some_backend"

    return make


def test_migrations_are_numbered(package: Callable[[dict[str, str]], str]) -> None:
    name = package({"0002_b.sql": "SELECT 2;", "0001_a.sql": "SELECT 1;", "README": ""})
    migrations = load_migrations(name)
    assert [(migration.number, migration.sql) for migration in migrations] == [
        (1, "SELECT 1;"),
        (2, "SELECT 2;"),
    ]


def test_a_gap_in_the_numbers_is_refused(package: Callable[[dict[str, str]], str]) -> None:
    with pytest.raises(ValueError, match="numbered"):
        load_migrations(package({"0001_a.sql": "", "0003_c.sql": ""}))
