"""Who is calling."""

from __future__ import annotations

import msgspec

from litebatch_asgi.errors import PermissionDenied
from litebatch_asgi.models.limits import Limits


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling, as the authentication hook says.

    The whole tenancy rule is: an object may be seen by the principal with an equal `owner`, or by an admin.
    """

    owner: str
    """chosen by the hook, such as `team:search`, `user:7`, `key:ab12`"""
    key_id: str | None = None
    """which credential it was, for the record (never the credential itself)"""
    models: frozenset[str] | None = None
    """virtual models and access groups this caller may use; a model may end in `*`; None: all of them"""
    is_admin: bool = False
    limits: tuple[Limits, ...] = ()
    """all of them hold, such as those of a key, of its user and of its team

    What is created counts in each of these scopes, also in those that limit nothing yet.
    """

    def may_see(self, owner: str) -> bool:
        """Whether this caller may see what belongs to `owner`."""
        return self.is_admin or self.owner == owner


def owner_to_list(principal: Principal, asked: str | None) -> str | None:
    """Whose objects a list shows; None: everybody's. Raises `PermissionDenied`, be the owner there or not."""
    if principal.is_admin:
        return asked
    if asked is not None and not principal.may_see(asked):
        raise PermissionDenied("Only an admin may list the objects of another owner.", param="owner")
    return principal.owner
