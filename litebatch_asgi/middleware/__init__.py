"""LiteBatch in front of an app that has a `/v1` of its own."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.files.providers import is_here
from litebatch_asgi.middleware.lifespan import LifespanResponder
from litebatch_asgi.middleware.responder import Managing, MiddlewareContext, Responder
from litebatch_asgi.middleware.responder import Timeouts as Timeouts
from litebatch_asgi.middleware.rules import RULES as RULES
from litebatch_asgi.middleware.rules import Sign, local_path, sign_for
from litebatch_asgi.routes.slots import UploadSlots

_WITH_PROVIDER = ("/files", "/batches")
"""what stands below a provider's name too"""


class LiteBatchMiddleware:
    """Takes the Files and Batches traffic for managed models; all else goes to the app behind as it came.

    With it go the webhooks of such batches, and what they have cost. What it takes, each path below `prefix`:

    ====================  =====================================  =============================================
    methods               path                                   taken when
    ====================  =====================================  =============================================
    POST                  /files                                 virtual models are named in the header
                                                                 `x-litebatch-target-model-names`, in the
                                                                 query or in the form as `target_model_names`;
                                                                 or the form has `purpose=batch` and the first
                                                                 line of its file names a virtual model
    GET HEAD              /files                                 always, but for `?managed=false`
    GET HEAD DELETE       /files/{id}                            the id begins with `file-lb` and has the form
                                                                 of ours
    GET HEAD              /files/{id}/content                    the same
    POST                  /uploads                               virtual models are named as
                                                                 `target_model_names` in the JSON body, or as
                                                                 for files in the header or the query
    POST                  /uploads/{id}/parts                    the id begins with `upload_lb` and has the
                                                                 form of ours
    POST                  /uploads/{id}/complete                 the same
    POST                  /uploads/{id}/cancel                   the same
    POST                  /batches                               `input_file_id` in the JSON body has that
                                                                 form
    POST                  /batches/dry_run                       the same
    GET HEAD              /batches                               always, but for `?managed=false`
    GET HEAD              /batches/{id}                          the id begins with `batch_lb` and has the
                                                                 form of ours
    POST                  /batches/{id}/cancel                   the same
    POST                  /batches/{id}/retry                    the same
    GET HEAD              /batches/{id}/events                   the same
    GET HEAD              /spend/batches                         always, but for `?managed=false`
    GET HEAD POST         /webhook_endpoints                     `webhook_keys` are set, but for
                                                                 `?managed=false`
    GET HEAD POST DELETE  /webhook_endpoints/{id}                the id begins with `we_lb` and has the form
                                                                 of ours
    POST                  /webhook_endpoints/{id}/rotate_secret  the same
    POST                  /webhook_endpoints/{id}/test           the same
    GET HEAD              /webhook_event_types                   `webhook_keys` are set, but for
                                                                 `?managed=false`
    ====================  =====================================  =============================================

    A provider may be named in the query or form as `custom_llm_provider`, in the header
    `custom-llm-provider`, or in the path, as in `/azure/v1/batches`: a file's lines then have its own names
    of models. What names a provider that no deployment is of goes to the app behind, but for ids of ours.

    So `GET /models` is answered by the app behind, which may add `litebatch.models(principal)` to its own.
    Paths count as they are once percent-decoded, below the `root_path` the app is mounted under: none is
    tidied up. `managed=false` itself is taken out of the query.

    For uploads, and wherever `?managed=false` counts, the authenticator is asked first: None lets the request
    through untouched, and what it raises is answered. Then LiteBatch does not ask again. An id of ours
    without a caller is 401.

    An upload whose header and query name no model is received on disk until it is clear whose it is; the
    app behind then gets the identical bytes. It gets what has come by then, and the rest as it comes, when
    the body is not a form as uploads have it, breaks off, comes too slowly for the settings, or has more than
    `max_file_bytes` and 1 MiB. `max_concurrent_uploads` may be looked at in this way at once; others wait,
    for 30 seconds at most, before they are answered by 429. So are those beyond `max_spool_bytes` on disk
    (413 if one alone would be), and by 503 those that the disk does not take.

    The lifespan of LiteBatch is entered before that of the app behind and left after it, whether that app
    has one or not. Under a server that runs no lifespan it must be entered by hand: what is taken is
    answered by 503 otherwise, and an upload that only its body could tell of goes to the app behind.

    Args:
        app: the app behind.
        litebatch: the `LiteBatch` whose objects are managed.
        prefix: where the API stands in the app behind; may be empty.
        timeouts: how long requests are waited for; see `Timeouts`.

    Raises `ConfigError` for a prefix that no path could begin with.

    """

    def __init__(
        self, app: ASGIApp, *, litebatch: Managing, prefix: str = "/v1", timeouts: Timeouts | None = None
    ) -> None:
        self.app = app
        self.litebatch = litebatch
        self.prefix: str = prefix.rstrip("/")
        if self.prefix and not self.prefix.startswith("/"):
            raise ConfigError(f"prefix: {prefix!r} must begin with a slash, as in '/v1', or be empty")
        self._context = MiddlewareContext(
            inner=app,
            litebatch=litebatch,
            prefix=self.prefix,
            upload_slots=UploadSlots(litebatch.settings.max_concurrent_uploads),
            timeouts=timeouts or Timeouts(),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request, or one run of the lifespan, on."""
        if scope["type"] == "lifespan":
            context = self.litebatch.lifespan(self.app)
            await LifespanResponder(self.app, context, receive, send).respond(scope)
            return
        sign, provider = self._sign(scope)
        if sign is not None:
            await Responder(self._context, scope, receive, send, provider=provider).respond(sign)
        else:
            await self.app(scope, receive, send)

    def _sign(self, scope: Scope) -> tuple[Sign | None, str | None]:
        """What to look at, and the provider that the path names."""
        if scope["type"] != "http":
            return None, None
        method, path = scope["method"], local_path(scope)
        if path.startswith(f"{self.prefix}/"):
            sign = sign_for(method, path.removeprefix(self.prefix))
            if sign is not None:
                return sign, None
        provider, slash, rest = path.removeprefix("/").partition("/")
        below = (slash + rest).removeprefix(self.prefix)
        is_below = slash + rest == self.prefix + below and below.startswith(_WITH_PROVIDER)
        if is_below and is_here(self.litebatch.catalog, provider):
            return sign_for(method, below), provider
        return None, None
