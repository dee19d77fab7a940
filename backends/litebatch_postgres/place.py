"""Where a PostgreSQL database lives: an oid in a cluster that has an identifier of its own."""

from __future__ import annotations

import re

import msgspec

from litebatch_sql import Reader

_TEXT = re.compile(r"database (?P<name>.*), oid (?P<oid>\d+), system (?P<system>\w+)", re.DOTALL)
_UNKNOWN = "unknown"
_DATABASE = """
SELECT datname, CAST(oid AS bigint),
    coalesce(has_function_privilege(to_regprocedure('pg_catalog.pg_control_system()'), 'EXECUTE'), FALSE)
FROM pg_catalog.pg_database WHERE datname = current_database()
"""
_SYSTEM = "SELECT CAST(system_identifier AS text) FROM pg_catalog.pg_control_system()"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A database on a server."""

    name: str
    oid: int
    system: str
    """the cluster's identifier, which its replicas share; `unknown` where the role may not ask for it"""

    @classmethod
    async def of(cls, reader: Reader) -> Place:
        """Where the database is now."""
        row = await reader.fetch_one(_DATABASE, {})
        assert row is not None
        name, oid, may_ask = row
        system = await reader.fetch_one(_SYSTEM, {}) if may_ask else None
        return cls(name=name, oid=oid, system=_UNKNOWN if system is None else system[0])

    def __str__(self) -> str:
        """The fingerprint."""
        return f"database {self.name}, oid {self.oid}, system {self.system}"

    def is_the_one(self, fingerprint: str) -> bool:
        """Whether a fingerprint is of this database: told by name and oid where the system is not known."""
        found = _TEXT.fullmatch(fingerprint)
        if found is None or int(found["oid"]) != self.oid:
            return False
        if _UNKNOWN not in (found["system"], self.system):
            return found["system"] == self.system
        return found["name"] == self.name
