"""Taking a file that comes as a form: received, checked, and given to deployments."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from starlette.requests import Request

from litebatch_asgi import tracing
from litebatch_asgi.models import FileState, Principal
from litebatch_asgi.models.limits import file_cap
from litebatch_asgi.repeats import Made
from litebatch_asgi.routes.multipart import Received
from litebatch_asgi.routes.receive import receive_upload
from litebatch_asgi.routes.services import Services
from litebatch_asgi.wire import Repeat, UploadForm
from litebatch_asgi.wire.names import Pairs


def upload_slot(services: Services, principal: Principal) -> AbstractAsyncContextManager[None]:
    """One of the upload slots, waited for; entering it raises `RateLimited` when none becomes free."""
    return services.upload_slots.waited_for(principal.owner, services.settings.upload_wait_seconds)


async def upload_file(
    services: Services,
    request: Request,
    principal: Principal,
    form_of: Callable[[Received], UploadForm],
    repeat: Repeat,
    *,
    before_file: Callable[[Pairs], None] | None = None,
) -> Made[FileState]:
    """Receive a file in one of the upload slots, and have it taken as `form_of` says of what came with it.

    Raises what `receive_upload` and `FileService.create` raise, and `RateLimited` if the owner has no slot.
    """
    cap = file_cap(principal.limits, services.settings.largest_file_bytes)
    with tracing.request(request.scope["headers"]), tracing.span("upload") as span:
        async with upload_slot(services, principal), services.spooler.new() as spool:
            received = await receive_upload(
                request, spool, cap=cap, settings=services.settings, before_file=before_file
            )
            form = form_of(received)
            made = await services.files.upload(principal, spool, received.filename, form, repeat)
        span.about(made.object.file)
    return made
