"""The seam to where a database lives: what is done when it was moved, and when it is a copy of another.

A database keeps the fingerprint of where it lives, and a storage refuses to open one that lives elsewhere:
two databases with one installation id would cancel and delete each other's jobs and files at the providers.
A storage whose database can be moved or copied offers an `InstallationStore` as its attribute
`installations`. Each sentence of the docstrings is held by a test of
`litebatch_asgi.testing.conformance.installations.InstallationConformance`.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import msgspec

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import BatchError
from litebatch_asgi.storage import Installation

COPIED = BatchError(
    code="database_copied",
    message="The batch belongs to the installation that this database was copied from, and goes on there.",
)
"""Why the batches that were open in the original have ended in its copy."""


class Residence(msgspec.Struct, frozen=True, kw_only=True):
    """What a database says of itself, and where it is."""

    installation: Installation
    present: str
    """the fingerprint of where it lives now"""
    is_at_home: bool
    """whether it may be opened: it lives where it did, or does not know yet where it lives"""
    alive: int
    """processes whose heartbeats are not older than was asked for"""


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the original's rows in its copy."""

    installation: Installation
    jobs: int
    """that were open, or had to be looked at again, and never will be"""
    batches: int
    """that were open and have failed"""
    input_files: int
    """that are hidden"""
    copies: int
    """files at providers that are forgotten"""
    keys: int
    """idempotency keys that are free again"""


class InstallationStore(Protocol):
    """Tells where a database lives, and lets it live there.

    Each method opens the database by itself, wherever it lives, and closes it again. `StateConflict` is
    raised while the storage is open, `ConfigError` if the database has no LiteBatch in it, or a newer one;
    none is made. Nothing is written when a method raises.
    """

    async def look(self, *, alive_seconds: float) -> Residence:
        """What the database says, and how many processes have beaten within so many seconds."""
        ...

    async def moved(self, *, idle_seconds: float) -> Installation:
        """Let the database live where it is now; nothing else is written.

        Raises `StateConflict` if a process has beaten within `idle_seconds`, as does `copied`.
        """
        ...

    async def copied(self, *, idle_seconds: float) -> Copied:
        """Make an installation of its own of a copy, which leaves all alone that the original has.

        In one transaction:

        - The installation gets a new id and lives where the database is now.
        - Jobs that are open, or watched, are `closed`; no job is looked at again, by anybody.
        - Open batches are `failed` with the error `COPIED`, without an event: their events are the original's
          to tell, as are those that are there, which go. Reservations are released.
        - All copies are `deleted` and never looked at again: when a file goes, nothing is deleted at its
          provider, and nothing new is made from it.
        - Input files, refused ones included, are deleted: they are in no list and hold no place.
        - Results stay as they are, and can be read for as long as their providers keep them.
        - No repetition of a request is given what the original made: idempotency keys are free, and what was
          not answered counts as answered.
        - Heartbeats go: they are those of the original's processes.

        Charges, their sums and what is used up of budgets stay, as do virtual keys, users and teams.
        """
        ...


@runtime_checkable
class KeepsInstallation(Protocol):
    """A storage whose database can be moved and copied."""

    @property
    def installations(self) -> InstallationStore:
        """They open the database by themselves."""
        ...


def installations_of(storage: object) -> InstallationStore:
    """Where the database of a storage lives. Raises `ConfigError` if it lives in memory alone."""
    if not isinstance(storage, KeepsInstallation):
        raise ConfigError(f"{type(storage).__qualname__} has no database that could be moved or copied")
    return storage.installations
