"""What the SQL storages share: rows, queries, migrations."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from importlib import resources
from pathlib import Path
from typing import TypeAlias

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litebatch_asgi.errors import ConfigError
from litebatch_sql import Queries, numbered
from litebatch_sql.migrations import Migration, load_migrations
from litebatch_sql.rows import HEX_128, Table, encode_json, from_microseconds, to_microseconds
from litebatch_sql.tables import TABLES
from litebatch_sqlite import SQLiteStorage


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

Json: TypeAlias = "str | list[Json] | dict[str, Json]"

moments = st.datetimes(timezones=st.just(UTC))
any_texts = st.text(st.characters(exclude_categories=["Cs"]))
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
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


def migrations_of(package: str, *, prefix: str = "") -> tuple[Migration, ...]:
    return load_migrations(package, Queries.load(package, TABLES, prefix=prefix))


OF_THEIR_JOB = {"line_results": ("job_id",)}
"""columns that rows are found by, and do not have themselves"""


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_columns_are_those_of_the_schema(table: Table[msgspec.Struct]) -> None:
    connection = sqlite3.connect(":memory:")
    try:
        for migration in migrations_of("litebatch_sqlite"):
            connection.executescript(migration.sql)
        columns = connection.execute(f"PRAGMA table_info({table.name})").fetchall()
    finally:
        connection.close()
    assert {column[1] for column in columns} == {*table.columns, *OF_THEIR_JOB.get(table.name, ())}


@pytest.mark.parametrize(
    ("sql", "expected", "names"),
    [
        ("SELECT :a, :b, :a", "SELECT $1, $2, $1", ("a", "b")),
        ("SELECT ':a' || :b", "SELECT ':a' || $1", ("b",)),
        ("SELECT 'it''s :a', :b", "SELECT 'it''s :a', $1", ("b",)),
        ('SELECT ":a" FROM t', 'SELECT ":a" FROM t', ()),
        ("SELECT x::text, :b::bigint", "SELECT x::text, $1::bigint", ("b",)),
        ("SELECT 1 -- :a\n, :b", "SELECT 1 -- :a\n, $1", ("b",)),
        ("SELECT /* :a */ :b", "SELECT /* :a */ $1", ("b",)),
        ("SELECT $$ :a $$, $t$ :b $t$, :c", "SELECT $$ :a $$, $t$ :b $t$, $1", ("c",)),
        ("SELECT '12:30', :b_1", "SELECT '12:30', $1", ("b_1",)),
    ],
)
def test_parameters_are_numbered(sql: str, expected: str, names: tuple[str, ...]) -> None:
    assert numbered(sql) == (expected, names)


def test_arguments_stand_where_their_numbers_say() -> None:
    statement = numbered("SELECT :b, :a, :b")
    assert statement.arguments({"a": 1, "b": "x\0y", "c": 3}) == ["x\ufffdy", 1]
    with pytest.raises(KeyError):
        statement.arguments({"a": 1})


@given(st.recursive(any_texts, lambda inner: st.lists(inner) | st.dictionaries(any_texts, inner)))
def test_json_holds_no_null_character(value: Json) -> None:
    assert msgspec.json.decode(encode_json(value)) == without_null(value)


def without_null(value: Json) -> Json:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [without_null(each) for each in value]
    return {key.replace("\0", "\ufffd"): without_null(each) for key, each in value.items()}


@pytest.mark.parametrize("prefix", ["Big", "1st", "a-b", "a b", 'a"', "ä"])
def test_a_prefix_is_a_plain_name(prefix: str) -> None:
    with pytest.raises(ConfigError, match="table_prefix"):
        SQLiteStorage("litebatch.db", table_prefix=prefix)


@pytest.mark.parametrize("package", ["litebatch_sqlite", "litebatch_postgres"])
def test_every_name_of_a_table_has_the_prefix(package: str) -> None:
    """Tables, indexes, what refers to them: nothing of ours meets what the host has."""
    schema = "".join(migration.sql for migration in migrations_of(package, prefix="host_"))
    assert "{" not in schema
    named = re.findall(r"(?:CREATE TABLE|CREATE (?:UNIQUE )?INDEX|REFERENCES|\bON) (?!DELETE)(\w+)", schema)
    assert named
    assert [name for name in named if not name.startswith("host_")] == []


def test_both_databases_have_the_same_tables() -> None:
    """But for receipts, which SQLite has no need of: its COMMIT does not cross a network."""
    of = {
        package: set(re.findall(r"CREATE TABLE (\w+)", "".join(each.sql for each in migrations_of(package))))
        for package in ("litebatch_sqlite", "litebatch_postgres")
    }
    assert of["litebatch_postgres"] - of["litebatch_sqlite"] == {"receipts"}
    assert of["litebatch_sqlite"] - of["litebatch_postgres"] == set()


def test_types_of_the_database_s_own_are_met_by_way_of_text() -> None:
    text = "-- type: json jsonb\n-- name: q\nSELECT {samples} WHERE {samples.assignments}\n"
    table = Table("samples", Typed)
    assert Queries(text, tables=[table]).sql("q") == (
        'SELECT samples."plain", CAST(samples."nested" AS text)'
        ' WHERE "plain" = :plain, "nested" = CAST(CAST(:nested AS text) AS jsonb)'
    )


def test_what_is_text_in_the_database_is_met_as_it_is() -> None:
    text = "-- type: json TEXT\n-- name: q\nSELECT {samples}\n"
    queries = Queries(text, tables=[Table("samples", Typed)])
    assert queries.sql("q") == 'SELECT samples."plain", samples."nested"'
    assert queries.expanded("a {type.json} NOT NULL") == "a TEXT NOT NULL"


def test_what_is_alike_on_all_databases_stands_once() -> None:
    """A database's own queries are those that cannot be shared."""
    shared, sqlite, postgres = (
        dict(re.findall(r"^-- name: (\w+)\n((?:(?!-- name:).*\n)*)", _text(package), re.MULTILINE))
        for package in ("litebatch_sql", "litebatch_sqlite", "litebatch_postgres")
    )
    assert len(shared) > 50
    due = {"due_jobs", "due_file_copies", "due_line_ranges"}
    assert sqlite.keys() & postgres.keys() == {"has_installation", *due}
    assert (sqlite.keys() | postgres.keys()) & shared.keys() == set()


def _text(package: str) -> str:
    return resources.files(package).joinpath("queries.sql").read_text()


def test_a_query_may_be_part_of_another() -> None:
    text = "-- name: q\nSELECT * FROM {prefix}a WHERE b IN {other};\n-- name: other\nSELECT 1;\n"
    assert Queries(text, tables=[], prefix="p_").sql("q") == "SELECT * FROM p_a WHERE b IN (SELECT 1)"


def test_a_fragment_stands_for_its_text() -> None:
    text = "-- name: q\nSELECT {now} {lock};\n-- fragment: now :now\n-- fragment: lock\n-- Why.\nFOR {now}\n"
    assert Queries(text, tables=[]).sql("q") == "SELECT :now FOR :now"


def test_a_database_s_own_goes_before_what_is_shared() -> None:
    shared = "-- fragment: now 1\n-- name: a\nSELECT {now}\n-- name: b\nSELECT 2"
    own = "-- type: key TEXT\n-- fragment: now 3\n-- name: b\nSELECT 4"
    queries = Queries(shared, own, tables=[])
    assert [queries.sql(name) for name in "ab"] == ["SELECT 3", "SELECT 4"]


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    plain: str
    nested: tuple[str, ...]


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
    queries = Queries(TEXT.replace("{braces}", "words"), tables=[Table("samples", Pair)])
    assert queries.sql("second") == 'INSERT INTO samples ("one", "drop") VALUES (:one, :drop)'
    assert "second" in queries
    assert "third" not in queries
    with pytest.raises(KeyError):
        queries.sql("third")


def test_lines_of_options_are_there_when_they_are_given() -> None:
    queries = Queries(TEXT.replace("{braces}", "words"), tables=[Table("samples", Pair)])
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
    queries = Queries("-- name: change\nUPDATE pairs SET {pairs.assignments};\n", tables=[table])
    assert queries.sql("change") == f"UPDATE pairs SET {assignments}"


@pytest.mark.parametrize(
    "text", ["-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n", "-- name: a\n{unknown}\n"]
)
def test_mistakes_in_a_file_are_found_when_it_is_loaded(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        Queries(text, tables=[Table("pairs", Pair)])


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


def test_migrations_are_the_shared_ones_and_those_of_the_package(
    package: Callable[[dict[str, str]], str],
) -> None:
    shared = len(migrations_of("litebatch_sqlite"))
    last = f"{shared + 1:04}_b.sql"
    name = package({last: "SELECT 2 {type.key};", "0001_a.sql": "SELECT '{prefix}';", "README": ""})
    first, *_, second = load_migrations(name, Queries.load("litebatch_sqlite", TABLES, prefix="p_"))
    assert first.sql.startswith("-- ")
    assert first.sql.endswith("SELECT 'p_';")
    assert (second.number, second.sql) == (shared + 1, "SELECT 2 TEXT;")


def test_a_gap_in_the_numbers_is_refused(package: Callable[[dict[str, str]], str]) -> None:
    beyond = f"{len(migrations_of('litebatch_sqlite')) + 2:04}_c.sql"
    with pytest.raises(ValueError, match="numbered"):
        load_migrations(package({"0001_a.sql": "", beyond: ""}), Queries.load("litebatch_sqlite", TABLES))
