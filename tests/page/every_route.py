"""All routes of the standalone gateway's page, and addresses of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from litebatch_asgi.page import PageRoute, Section
from litebatch_asgi.server.access import OwnerNoting
from litebatch_asgi.server.keys import KeyAuthenticator
from litebatch_asgi.server.page import page_of
from tests.access.standalone import Standalone

PARAMETER = re.compile(r"(?P<of>[^/]+)/\{(?P<name>\w+)(?::\w+)?\}")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One route."""

    section: Section
    route: PageRoute

    @property
    def path(self) -> str:
        """As it is declared."""
        return self.route.path

    @property
    def has_parameter(self) -> bool:
        """Whether it is of one object."""
        return "{" in self.path

    def at(self, ids: Mapping[str, str], other: str = "nothing") -> str:
        """An address of it: `ids` says by the word before a parameter what is put in."""
        return PARAMETER.sub(lambda found: f"{found['of']}/{ids.get(found['of'], other)}", self.path)

    def names(self) -> set[str]:
        """The words before its parameters."""
        return {found["of"] for found in PARAMETER.finditer(self.path)}


def places(gateway: Standalone) -> Iterator[Place]:
    """All of them, admins' too."""
    noting = gateway.litebatch.authenticator
    assert isinstance(noting, OwnerNoting)
    assert isinstance(noting.authenticator, KeyAuthenticator)
    page = page_of(gateway.litebatch, noting.authenticator.keys, any_key=False)
    for section in page.sections:
        for route in section.routes:
            yield Place(section=section, route=route)
