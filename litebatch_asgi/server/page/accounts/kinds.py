"""In what keys, teams and users differ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import msgspec
from htpy import Node

from litebatch_asgi.models import Account, VirtualKey
from litebatch_asgi.page import Visit
from litebatch_asgi.server.keys import KeyService
from litebatch_asgi.server.page.accounts.entries import Entry

A = TypeVar("A", bound=Account)


class Made(msgspec.Struct, Generic[A], frozen=True, kw_only=True):
    """What has come of a form, and what of it has no effect."""

    account: A
    key: VirtualKey | None = None
    """one with a new secret"""
    secret: str | None = None
    warnings: Sequence[str] = ()


class AccountKind(ABC, Generic[A]):
    """Keys, teams or users."""

    kind: type[A]
    word: str
    title: str
    """that of the list"""
    path: str
    name: str = "Name"
    """what `called` is"""
    about: str
    """what they are for, where there is none"""
    delete: str
    """what is asked before one is deleted"""
    new: Sequence[Entry]
    """fields of the form for a new one"""
    changed: Sequence[Entry]
    """fields of the form that changes one"""
    filters: Sequence[tuple[str, str]]
    """by what a list may be narrowed down, with labels"""
    columns: Sequence[str]
    """what a list tells of them alone"""

    def __init__(self, keys: KeyService) -> None:
        self._keys = keys

    @abstractmethod
    async def create(self, form: Mapping[str, str], *, by: str) -> Made[A]:
        """A new one, as a form says. Raises `RequestError`s."""

    @abstractmethod
    async def change(self, account: A, form: Mapping[str, str], *, by: str) -> Made[A]:
        """The same of one that is there."""

    @abstractmethod
    def cells(self, visit: Visit, account: A) -> Sequence[Node]:
        """What stands in `columns`."""

    @abstractmethod
    def facts(self, visit: Visit, account: A) -> Sequence[tuple[str, Node]]:
        """What is told of one alone."""

    def called(self, account: A) -> str:
        """What it is called."""
        return account.alias or account.id
