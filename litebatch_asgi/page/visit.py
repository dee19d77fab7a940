"""One request to the page, by somebody who has signed in."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from starlette.requests import Request

from litebatch_asgi.errors import InvalidRequest, PermissionDenied
from litebatch_asgi.models import Principal
from litebatch_asgi.routes.endpoint import small_body
from litebatch_asgi.routes.services import Services

TOKEN_FIELD = "token"  # noqa: S105 - the name of a form's field
_MOST_FIELDS = 500
_FORM = "litebatch_asgi.page.form"


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """A request with its caller, and what handlers need to answer it."""

    request: Request
    principal: Principal
    services: Services
    token: str
    """stands in every form: whoever sends it has seen a page of this session"""
    root: str
    """the path that the page is mounted at, without a slash at its end"""
    has_session: bool = False
    """whether the caller has signed in here, and can sign out; or else the host knows who it is"""
    now: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))

    def url(self, path: str, query: Mapping[str, str | None] | None = None, /) -> str:
        """The address of a path within the page; what of `query` is None or empty is left out."""
        given = {name: value for name, value in (query or {}).items() if value}
        return self.root + quote(path, safe="/~") + (f"?{urlencode(given)}" if given else "")

    @property
    def query(self) -> dict[str, str]:
        """The query of the address, blanks around its values removed; of repeated names the last counts."""
        return {name: value.strip() for name, value in self.request.query_params.items()}

    def parameter(self, name: str) -> str:
        """A part of the path."""
        value: str = self.request.path_params[name]
        return value

    async def form(self) -> Mapping[str, str]:
        """The fields of the form that was sent; of repeated names the last counts.

        Raises `InvalidRequest` for a body that is no form, and `PermissionDenied` where its token is not this
        session's: then somebody else's page has sent it. It was read, and that checked, before the handler.
        """
        if _FORM not in self.request.scope:
            fields = parse_form(await small_body(self.request))
            self.check_token(fields.pop(TOKEN_FIELD, ""))
            self.request.scope[_FORM] = fields
        read: Mapping[str, str] = self.request.scope[_FORM]
        return read

    def check_token(self, given: str) -> None:
        """Raises `PermissionDenied` unless it is this session's token."""
        if not hmac.compare_digest(given.encode(errors="replace"), self.token.encode()):
            raise PermissionDenied(
                "This form is not of your session: it was opened before you signed in, or another site has "
                "sent it. Open the page again and repeat what you did."
            )


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of a form. Raises `InvalidRequest` for a body that is none."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise InvalidRequest("The body of the request is not a form, or has too many fields.") from error
    return {name: value.strip() for name, value in pairs}
