"""Routes of files."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.types import ASGIApp

from litebatch_asgi import wire
from litebatch_asgi.models import FileState, Principal
from litebatch_asgi.routes.answering import created
from litebatch_asgi.routes.content import file_content
from litebatch_asgi.routes.multipart import Received
from litebatch_asgi.routes.providers import named_provider, provider_namings
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.routes.services import Services
from litebatch_asgi.routes.uploading import upload_file

NAMES_HEADER = "x-litebatch-target-model-names"


class FileRoutes:
    """The handlers of `/files` and below."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /files`."""
        repeat = wire.parse_repeat(request.headers)

        def form_of(received: Received) -> wire.UploadForm:
            query, header = request.query_params.multi_items(), request.headers.get(NAMES_HEADER)
            return wire.parse_upload_form(received.fields, query, header, provider_namings(request))

        made = await upload_file(self._services, request, principal, form_of, repeat)
        state, answered = made.object, self._services.files.answered
        note = partial(answered, state.file.id) if repeat.may_miss_answer else None
        return created(_object(state, principal), note, is_repeated=made.is_repeated)

    async def list(self, request: Request, principal: Principal) -> ASGIApp:
        """`GET /files`."""
        query = wire.parse_file_list_query(request.query_params.multi_items(), provider_namings(request))
        page = await self._services.files.page(principal, query)
        return JSONAnswer(wire.file_list(page, for_admin=principal.is_admin))

    async def retrieve(self, request: Request, principal: Principal) -> ASGIApp:
        """`GET /files/{id}`."""
        state = await self._services.files.state(principal, await self._file_id(request, principal))
        return JSONAnswer(_object(state, principal))

    async def delete(self, request: Request, principal: Principal) -> ASGIApp:
        """`DELETE /files/{id}`."""
        file_id = await self._file_id(request, principal)
        await self._services.files.delete(principal, file_id)
        return JSONAnswer(wire.DeletedFile(id=file_id))

    async def content(self, request: Request, principal: Principal) -> ASGIApp:
        """`GET /files/{id}/content`."""
        return await file_content(self._services, request, principal, await self._file_id(request, principal))

    async def _file_id(self, request: Request, principal: Principal) -> str:
        """The id in the path. Raises `InvalidRequest` if its file is not of the provider that is named."""
        file_id: str = request.path_params["id"]
        await self._services.files.check_provider(principal, file_id, named_provider(request))
        return file_id


def _object(state: FileState, principal: Principal) -> wire.FileObject:
    return wire.file_object(state.file, for_admin=principal.is_admin, copies=state.copies)
