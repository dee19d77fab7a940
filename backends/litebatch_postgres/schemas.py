"""Which schema of a PostgreSQL database the tables are in, or go into: never among somebody else's.

Another application's migrations may drop or refuse tables that they do not know, as Prisma's do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from litebatch_asgi.errors import ConfigError
from litebatch_sql import Namespace, Reader

OWN = "litebatch"
"""the schema that is used where it is there, and made where others have tables already"""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$-]{0,62}")
_SCHEMAS = """
SELECT CAST(schemas.nspname AS text),
    coalesce(array_position(current_schemas(FALSE), schemas.nspname), 0),
    EXISTS (
        SELECT 1 FROM pg_catalog.pg_class AS tables
        JOIN pg_catalog.pg_attribute AS columns ON columns.attrelid = tables.oid
        WHERE tables.relnamespace = schemas.oid AND tables.relname = :installation
            AND columns.attname = 'schema_version'
    ),
    (
        SELECT CAST(min(tables.relname) AS text) FROM pg_catalog.pg_class AS tables
        WHERE tables.relnamespace = schemas.oid AND tables.relkind IN ('r', 'p', 'v', 'm', 'f')
            AND NOT EXISTS (  -- not an extension's
                SELECT 1 FROM pg_catalog.pg_depend AS depend
                WHERE depend.classid = CAST('pg_catalog.pg_class' AS regclass)
                    AND depend.objid = tables.oid AND depend.deptype = 'e'
            )
    ),
    has_schema_privilege(schemas.oid, 'USAGE'),
    has_schema_privilege(schemas.oid, 'CREATE')
FROM pg_catalog.pg_namespace AS schemas
WHERE schemas.nspname !~ '^pg_' AND schemas.nspname <> 'information_schema'
"""
_ROLE = """
SELECT CAST(current_user AS text), CAST(current_database() AS text),
    has_database_privilege(current_database(), 'CREATE')
"""


class Schema(msgspec.Struct, frozen=True):
    """A schema of the database."""

    name: str
    place: int
    """in the session's search path, from 1; 0: it is not there"""
    has_ours: bool
    example: str | None
    """one of the tables in it, if there are any"""
    may_use: bool
    """whether our role may look into it"""
    may_create: bool
    """whether our role may create tables there"""

    @property
    def is_somebody_elses(self) -> bool:
        """Whether it holds tables, and none of ours."""
        return self.example is not None and not self.has_ours


class Role(msgspec.Struct, frozen=True):
    """Who we are in the database."""

    name: str
    database: str
    may_create_schemas: bool


def check_schema(name: str) -> str:
    """The name of a schema, or a `ConfigError` if it cannot be one."""
    if _NAME.fullmatch(name) is None or name.startswith("pg_"):
        raise ConfigError(
            "schema in the URL of the database: up to 63 letters, digits, _, - and $, no digit at the start,"
            " and not pg_ either"
        )
    return name


async def find_namespace(reader: Reader, *, wanted: str | None, prefix: str) -> Namespace:
    """Where the tables are, or go if there are none. `wanted` is a schema that was asked for by its name.

    Under a prefix they may stand beside somebody else's. Raises `ConfigError` if the role may not even look.
    """
    if prefix and wanted is None:
        return Namespace()
    rows = await reader.fetch_all(_SCHEMAS, {"installation": f"{prefix}installation"})
    role = await reader.fetch_one(_ROLE, {})
    assert role is not None
    schemas = [Schema(*row) for row in rows]
    if wanted is None:
        return _choose(schemas, Role(*role))
    return _in(wanted, schemas, Role(*role), has_prefix=prefix != "")


def _choose(schemas: Sequence[Schema], role: Role) -> Namespace:
    path = sorted((schema for schema in schemas if schema.place), key=lambda schema: schema.place)
    ours = next((schema for schema in path if schema.has_ours), None)
    if ours is not None and ours.place == 1:
        return Namespace()
    if ours is not None and _NAME.fullmatch(ours.name):
        return _in(ours.name, schemas, role)
    own = _by_name(schemas, OWN)
    is_prepared = own is not None and (own.has_ours or own.may_create)
    if path and _is_free(path[0], schemas) and not is_prepared:
        return Namespace()
    return _in(OWN, schemas, role)


def _is_free(schema: Schema, schemas: Iterable[Schema]) -> bool:
    """Whether a schema has no tables; `public` is everybody's, and free if nobody has any."""
    rivals = schemas if schema.name == "public" else (schema,)
    return not any(rival.is_somebody_elses for rival in rivals)


def _by_name(schemas: Iterable[Schema], name: str) -> Schema | None:
    return next((schema for schema in schemas if schema.name == name), None)


def _in(name: str, schemas: Sequence[Schema], role: Role, *, has_prefix: bool = False) -> Namespace:
    schema = _by_name(schemas, name)
    if schema is not None and not schema.may_use:
        raise ConfigError(_grant(schema, role))
    statements = [f'SET LOCAL search_path = "{name}"']
    if schema is None:
        statements.insert(0, f'CREATE SCHEMA "{name}"')
    return Namespace(
        qualifier=f'"{name}".',
        set_up="; ".join(statements),
        refusal=_refusal(name, schema, schemas, role, has_prefix=has_prefix),
    )


def _refusal(
    name: str, schema: Schema | None, schemas: Sequence[Schema], role: Role, *, has_prefix: bool
) -> str | None:
    """Why nothing may be created there."""
    if schema is None and not role.may_create_schemas:
        return (
            f"{_reason(schemas)}LiteBatch's tables go into a schema {name} of their own, which the role"
            f" {role.name} may not create. Let a superuser run"
            f' `CREATE SCHEMA "{name}" AUTHORIZATION "{role.name}"` in the database {role.database},'
            " or name another database"
        )
    if schema is not None and schema.is_somebody_elses and not has_prefix:
        another = OWN if name != OWN else f"{OWN}_gateway"
        return (
            f"the schema {name} holds tables of somebody else, such as {schema.example}, and none of"
            f" LiteBatch's: name another one with ?schema={another} in the URL of the database, which is made"
            " if need be, or name another database"
        )
    if schema is not None and not schema.may_create:
        return _grant(schema, role)
    return None


def _grant(schema: Schema, role: Role) -> str:
    return (
        f"the role {role.name} may not create tables in the schema {schema.name}: let its owner run"
        f' `GRANT USAGE, CREATE ON SCHEMA "{schema.name}" TO "{role.name}"`, or name another with ?schema='
    )


def _reason(schemas: Iterable[Schema]) -> str:
    other = next((schema for schema in schemas if schema.is_somebody_elses), None)
    if other is None:
        return ""
    return f"the database holds tables of somebody else, such as {other.name}.{other.example}: "
