"""The pages of keys, teams and users: a list, one of them, and forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic

import htpy as h
from htpy import Node

from litebatch_asgi.errors import NotFound, RequestError
from litebatch_asgi.models import VirtualKey
from litebatch_asgi.page import Moved, PageRoute, Section, Shown, Visit
from litebatch_asgi.page.parts import empty, field, filters, heading, shown_once, table, told
from litebatch_asgi.server.keys import KeyService
from litebatch_asgi.server.keys.bodies import KeyFields
from litebatch_asgi.server.page.accounts.budgets import budget
from litebatch_asgi.server.page.accounts.entries import typed_of
from litebatch_asgi.server.page.accounts.forms import form
from litebatch_asgi.server.page.accounts.kinds import A, AccountKind, Made
from litebatch_asgi.server.page.accounts.lists import ROWS, Asked, pages, parse
from litebatch_asgi.server.page.accounts.one import about, buttons, models_of, state_of
from litebatch_asgi.server.page.accounts.paths import moved_to, path_of

_ONCE = "Copy it now. It is kept nowhere, and cannot be shown again."


class AccountPages(Generic[A]):
    """The handlers; all are for admins."""

    def __init__(self, keys: KeyService, kind: AccountKind[A]) -> None:
        self._keys = keys
        self._kind = kind

    def section(self) -> Section:
        """Their place in the navigation."""
        path = self._kind.path
        routes = [
            PageRoute(path=path, get=self.show_list),
            PageRoute(path=f"{path}/new", get=self.new, post=self.create),
            PageRoute(path=f"{path}/one", get=self.show, post=self.save),
            PageRoute(path=f"{path}/block", post=self.block),
            PageRoute(path=f"{path}/unblock", post=self.unblock),
            PageRoute(path=f"{path}/delete", post=self.delete),
        ]
        if self._kind.kind is VirtualKey:
            routes.append(PageRoute(path=f"{path}/regenerate", post=self.regenerate))
        return Section(title=self._kind.title, path=path, routes=routes, for_admins=True)

    async def show_list(self, visit: Visit) -> Shown:
        """All of them, newest first."""
        kind, asked = self._kind, parse(visit)
        found, total = await self._keys.page(kind.kind, limit=ROWS, offset=asked.offset, **asked.filters)
        spent = await self._keys.spent(found)
        rows = [
            [
                h.a(".name", href=visit.url(*path_of(kind.path, each.id)))[told(kind.called(each))],
                *kind.cells(visit, each),
                models_of(each),
                budget(each, spent),
                state_of(each, visit.now),
            ]
            for each in found
        ]
        columns = (kind.name, *kind.columns, "Models", "Spent", "State")
        new = h.a(".button.primary", href=visit.url(f"{kind.path}/new"))[f"New {kind.word}"]
        content: Node = [
            heading(kind.title, new),
            self._filters(visit, asked) if total or any(asked.filters.values()) else None,
            table(f"{kind.title}, newest first", columns, rows) if rows else self._nothing(asked),
            pages(visit, kind.path, asked, total),
        ]
        return Shown(title=kind.title, content=content)

    def _filters(self, visit: Visit, asked: Asked) -> Node:
        given = asked.filters
        shown = [field(label, name, given[name]) for name, label in self._kind.filters]
        return filters(visit, self._kind.path, shown)

    def _nothing(self, asked: Asked) -> Node:
        if asked.page > 1 or any(asked.filters.values()):
            return empty(f"No such {self._kind.word}")
        return empty(f"No {self._kind.title.lower()} yet", h.p[self._kind.about])

    async def new(self, visit: Visit) -> Shown:
        """The form for a new one, filled in with what the address says."""
        return self._new(visit, {"auto_create_key": "on", **visit.query})

    def _new(self, visit: Visit, typed: Mapping[str, str], error: RequestError | None = None) -> Shown:
        kind = self._kind
        title, path = f"New {kind.word}", f"{kind.path}/new"
        shown = form(visit, path, kind.new, typed, label=f"Create the {kind.word}", error=error)
        status = 200 if error is None else error.status
        return Shown(title=title, content=[heading(title), h.p(".dim")[kind.about], shown], status=status)

    async def create(self, visit: Visit) -> Shown | Moved:
        """Make one; what has a new secret is shown at once, on this answer alone."""
        typed = await visit.form()
        try:
            made = await self._kind.create(typed, by=visit.principal.owner)
        except RequestError as error:
            return self._new(visit, typed, error)
        if made.secret is not None:
            return self._secret(visit, made, f"{self._kind.called(made.account)} is created")
        said = _with_warnings(f"{self._kind.called(made.account)} is created.", made)
        return Moved(path=moved_to(self._kind.path, made.account.id), notice=said)

    def _secret(self, visit: Visit, made: Made[A], title: str) -> Shown:
        assert made.secret is not None  # it is new
        there = visit.url(*path_of(self._kind.path, made.account.id))
        content: Node = [
            heading(title),
            (h.p(role="alert")[warning] for warning in made.warnings),
            shown_once("API key", made.secret, _ONCE),
            h.p[h.a(href=there)[f"Go to the {self._kind.word}"]],
        ]
        return Shown(title=title, content=content)

    async def show(self, visit: Visit) -> Shown:
        """One of them, with the form that changes it."""
        account = await self._account(visit.query.get("id", ""))
        return await self._one(visit, account, typed_of(account, self._kind.changed))

    async def _one(
        self, visit: Visit, account: A, typed: Mapping[str, str], error: RequestError | None = None
    ) -> Shown:
        kind = self._kind
        spent = await self._keys.spent([account])
        hidden = {"id": account.id}
        content: Node = [
            heading(kind.called(account), *buttons(visit, kind, account)),
            about(visit, kind, account, spent),
            h.h2["Change it"],
            form(visit, f"{kind.path}/one", kind.changed, typed, label="Save", hidden=hidden, error=error),
        ]
        return Shown(
            title=kind.called(account), content=content, status=200 if error is None else error.status
        )

    async def save(self, visit: Visit) -> Shown | Moved:
        """Change one."""
        typed = await visit.form()
        account = await self._account(typed.get("id", ""))
        try:
            made = await self._kind.change(account, typed, by=visit.principal.owner)
        except NotFound:
            raise
        except RequestError as error:
            return await self._one(visit, account, typed, error)
        said = _with_warnings(f"{self._kind.called(made.account)} is saved.", made)
        return Moved(path=moved_to(self._kind.path, account.id), notice=said)

    async def block(self, visit: Visit) -> Moved:
        """What is called with it is refused from now on."""
        return await self._set_blocked(visit, blocked=True)

    async def unblock(self, visit: Visit) -> Moved:
        """It counts again."""
        return await self._set_blocked(visit, blocked=False)

    async def _set_blocked(self, visit: Visit, *, blocked: bool) -> Moved:
        account = await self._keys.block(self._kind.kind, await _given(visit), blocked=blocked)
        said = f"{self._kind.called(account)} is {'blocked' if blocked else 'not blocked any more'}."
        return Moved(path=moved_to(self._kind.path, account.id), notice=said)

    async def delete(self, visit: Visit) -> Moved:
        """Delete one."""
        account = await self._account(await _given(visit))
        await self._keys.delete(self._kind.kind, [account.id])
        return Moved(path=self._kind.path, notice=f"{self._kind.called(account)} is deleted.")

    async def regenerate(self, visit: Visit) -> Shown:
        """Give a key another secret."""
        given = await self._keys.get(VirtualKey, await _given(visit))
        key, secret = await self._keys.regenerate(given.token, KeyFields(), by=visit.principal.owner)
        made = Made(account=await self._account(key.id), secret=secret)
        return self._secret(visit, made, f"{self._kind.called(made.account)} has another secret")

    async def _account(self, account_id: str) -> A:
        return await self._keys.get(self._kind.kind, account_id)


async def _given(visit: Visit) -> str:
    return (await visit.form()).get("id", "")


def _with_warnings(said: str, made: Made[A]) -> str:
    return " ".join((said, *(f"{warning}." for warning in made.warnings)))
