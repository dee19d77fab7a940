"""The token endpoint: a service account's assertion for an access token. Source: RFC 7523."""

from __future__ import annotations

from urllib.parse import parse_qs

from .calls import Call
from .google_dialects import TokenDialect
from .replies import Reply, json_reply
from .service_accounts import JWT_GRANT, WrongAssertion, check_assertion
from .wire import ApiError


async def issue_token(call: Call[TokenDialect]) -> Reply:
    """`POST /token`."""
    fields = parse_qs((await call.request.body()).decode(errors="replace"))
    (grant,), (assertion,) = fields.get("grant_type", [""])[:1], fields.get("assertion", [""])[:1]
    if grant != JWT_GRANT:
        raise ApiError(400, f"Invalid grant_type: {grant}", code="unsupported_grant_type")
    account = call.account
    try:
        await account.disk.run(check_assertion, assertion, account.name, str(call.request.url))
    except WrongAssertion as exc:
        raise ApiError(400, str(exc), code="invalid_grant") from exc
    await call.begin()
    seconds = account.settings.token_seconds
    token = account.tokens.issue(seconds)
    return json_reply({"access_token": token, "expires_in": max(1, int(seconds)), "token_type": "Bearer"})
