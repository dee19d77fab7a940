"""Forms: what a file is at each deployment, with its name for the model or in its provider's language."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from typing import NamedTuple, Self, TypeAlias

import msgspec

from litebatch_asgi.dialects import Dialect, encode_alike
from litebatch_asgi.errors import CannotTake, InvalidFile, Problem
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.translation import Translation, translated, translating
from litebatch_asgi.fleet import Fleet
from litebatch_asgi.jsonl import CheckedFile, Splicer, json_string, spliced_size
from litebatch_asgi.models import File
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.spool import Spool

Content: TypeAlias = Callable[[], AsyncIterator[bytes]]
"""begins the content from its start"""


class SentAs(NamedTuple):
    """What a file is at a deployment."""

    model: str | None
    """in its lines, or what they were translated for; None for a file without lines of that kind"""
    bytes: int
    is_translated: bool = False
    """whether its lines are not OpenAI's"""
    sha256: str | None = None
    """hex, of what was translated; None: not known"""


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it is to be sent to a deployment."""

    sent: SentAs
    content: Content
    spool: Spool | None = None
    """what the content is read from, where that is on our disk"""
    refusal: CannotTake | None = None
    """why it cannot be sent; there is no content then"""


def dialect_of(fleet: Fleet, deployment_id: str, file: File) -> Dialect | None:
    """How a file's lines are translated for a deployment; None: they are not, or there are none.

    Raises `DeploymentGone`.
    """
    return fleet.dialect(deployment_id, file.models[0]) if file.endpoint is not None else None


def spliced_as(fleet: Fleet, deployment_id: str, file: File) -> SentAs:
    """What a file is at a deployment that speaks OpenAI: there the model has a name of its own."""
    if file.endpoint is None:
        return SentAs(None, file.bytes)
    model = fleet.upstream_model(deployment_id, file.models[0])
    return SentAs(model, spliced_size(file.bytes, file.lines, file.line_model, model))


def spliced(spool: Spool, lines: CheckedFile | None, model: str | None) -> Content:
    """What was received, from its spool; its lines, where it has any, name `model`."""
    if lines is None or model is None:
        return spool.blocks

    async def blocks() -> AsyncGenerator[bytes]:
        splicer = Splicer(lines.spans, len(json_string(lines.model)), json_string(model))
        async for block in spool.blocks():
            yield splicer.feed(block)

    return blocks


class FormMaker:
    """Brings files into the form that a deployment takes."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @asynccontextmanager
    async def of(
        self, deployment_id: str, file: File, *, read: Callable[[], AsyncGenerator[bytes]], plain: Content
    ) -> AsyncGenerator[Form]:
        """The form of an accepted file at one deployment, until the block ends.

        `read` begins what was uploaded, `plain` the same with the deployment's name for the model. Raises
        as `translated` does.
        """
        fleet = self._runtime.fleet
        dialect = dialect_of(fleet, deployment_id, file)
        sent = spliced_as(fleet, deployment_id, file)
        if dialect is None:
            yield Form(sent=sent, content=plain, refusal=self._above_limit(deployment_id, file, sent.bytes))
            return
        is_kept = fleet.adapter(deployment_id).keeps_files
        async with aclosing(read()) as blocks:
            translation = await translated(self._runtime, blocks, dialect, is_kept=is_kept)
        try:
            hit("upload.translated")
            yield self._translated(deployment_id, file, sent, translation, dialect, read)
        finally:
            await translation.aclose()

    def _translated(
        self,
        deployment_id: str,
        file: File,
        sent: SentAs,
        translation: Translation,
        dialect: Dialect,
        read: Callable[[], AsyncGenerator[bytes]],
    ) -> Form:
        spool = translation.spool
        content = spool.blocks if spool is not None else partial(_streamed, self._runtime, read, dialect)
        refusal = CannotTake.because(translation.problems) if translation.problems else None
        return Form(
            sent=SentAs(sent.model, translation.size, is_translated=True, sha256=translation.sha256),
            content=content,
            spool=spool,
            refusal=refusal or self._above_limit(deployment_id, file, translation.size),
        )

    def _above_limit(self, deployment_id: str, file: File, size: int) -> CannotTake | None:
        """That a batch's input has more lines or bytes than the provider takes at once."""
        if file.endpoint is None:
            return None
        adapter = self._runtime.fleet.adapter(deployment_id)
        if adapter.max_requests is not None and file.lines > adapter.max_requests:
            most = adapter.max_requests
            return _too_much("too_many_tasks", f"holds {file.lines} requests: at most {most} are taken")
        if adapter.max_bytes is not None and size > adapter.max_bytes:
            most = adapter.max_bytes
            return _too_much("file_too_large", f"has {size} bytes for this model: at most {most} are taken")
        return None


class ReceivedForms:
    """What a received file is at the deployments that it goes to. Translated once for all that are alike."""

    def __init__(self, runtime: Runtime, spool: Spool, lines: CheckedFile | None) -> None:
        self._runtime = runtime
        self._maker = FormMaker(runtime)
        self._spool = spool
        self._lines = lines
        self._stack = AsyncExitStack()
        self._forms: dict[str, Form] = {}
        self._translated: list[tuple[Dialect, tuple[object, ...], Form]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def __getitem__(self, deployment_id: str) -> Form:
        """The form at one of the deployments."""
        return self._forms[deployment_id]

    async def make(self, file: File, deployment_ids: Sequence[str]) -> None:
        """Bring the file into its form at each of the deployments.

        Raises `InvalidFile` if none of them can take it: with the problems of the one that has the fewest.
        """
        for where in deployment_ids:
            self._forms[where] = await self._form(file, where)
        refusals = [form.refusal for form in self._forms.values() if form.refusal is not None]
        if refusals and len(refusals) == len(self._forms):
            raise InvalidFile(min(refusals, key=lambda refusal: len(refusal.problems)).problems)

    async def _form(self, file: File, where: str) -> Form:
        dialect = dialect_of(self._runtime.fleet, where, file)
        alike = self._alike(file, where)
        for known, how, form in self._translated:
            if dialect is not None and how == alike and encode_alike(known, dialect):
                return form
        plain = spliced(self._spool, self._lines, spliced_as(self._runtime.fleet, where, file).model)
        made = self._maker.of(where, file, read=self._spool.blocks, plain=plain)
        form = await self._stack.enter_async_context(made)
        if form.spool is None:
            form = msgspec.structs.replace(form, spool=self._spool)
        if dialect is not None:
            self._translated.append((dialect, alike, form))
        return form

    def _alike(self, file: File, where: str) -> tuple[object, ...]:
        """Equal for deployments with one form, if their dialects encode alike."""
        adapter = self._runtime.fleet.adapter(where)
        model = spliced_as(self._runtime.fleet, where, file).model
        return model, adapter.keeps_files, adapter.max_requests, adapter.max_bytes


async def _streamed(
    runtime: Runtime, read: Callable[[], AsyncGenerator[bytes]], dialect: Dialect
) -> AsyncGenerator[bytes]:
    async with aclosing(translating(runtime, read(), dialect)) as blocks:
        async for block in blocks:
            yield block


def _too_much(code: str, what: str) -> CannotTake:
    message = f"The file {what}; split it into several files."
    return CannotTake.because((Problem(code=code, line=None, param=None, message=message),))
