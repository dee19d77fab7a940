"""Routes of uploads."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp

from litebatch_asgi import tracing, wire
from litebatch_asgi.models import FileState, Principal, Upload
from litebatch_asgi.models.uploads import PartCap
from litebatch_asgi.routes.answering import created
from litebatch_asgi.routes.endpoint import small_body
from litebatch_asgi.routes.files import NAMES_HEADER
from litebatch_asgi.routes.receive import receive_upload
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.routes.services import Services
from litebatch_asgi.routes.uploading import upload_slot


class UploadRoutes:
    """The handlers of `/uploads` and below. Parts take turns with whole files."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /uploads`."""
        repeat = wire.parse_repeat(request.headers)
        asked = wire.parse_create_upload(
            await small_body(request), request.query_params.multi_items(), request.headers.get(NAMES_HEADER)
        )
        made = await self._services.uploads.begin(principal, asked, repeat)
        return created(_object(made.object, None, principal), None, is_repeated=made.is_repeated)

    async def add_part(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /uploads/{id}/parts`."""
        uploads, upload_id = self._services.uploads, _upload_id(request)
        await uploads.check_pending(principal, upload_id)
        with tracing.request(request.scope["headers"]):
            async with upload_slot(self._services, principal), self._services.spooler.new() as spool:
                settings = self._services.settings
                await receive_upload(request, spool, cap=PartCap(), settings=settings, field="data")
                part = await uploads.keep_part(principal, upload_id, spool)
        return JSONAnswer(wire.upload_part_object(part))

    async def complete(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /uploads/{id}/complete`."""
        asked = wire.parse_complete_upload(await small_body(request))
        with tracing.request(request.scope["headers"]):
            async with upload_slot(self._services, principal):
                completed = await self._services.uploads.finish(principal, _upload_id(request), asked)
        return JSONAnswer(_object(completed.upload, completed.file, principal))

    async def cancel(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /uploads/{id}/cancel`."""
        upload = await self._services.uploads.cancel(principal, _upload_id(request))
        return JSONAnswer(_object(upload, None, principal))


def _object(upload: Upload, file: FileState | None, principal: Principal) -> wire.UploadObject:
    return wire.upload_object(upload, file, for_admin=principal.is_admin)


def _upload_id(request: Request) -> str:
    upload_id: str = request.path_params["id"]
    return upload_id
