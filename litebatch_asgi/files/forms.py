"""Forms: what a file is at each deployment, with its name for the model or in its provider's language."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from typing import NamedTuple, Self, TypeAlias

import msgspec
from msgspec.structs import replace

from litebatch_asgi.dialects import Dialect, encode_alike
from litebatch_asgi.errors import CannotTake, InvalidFile, Problem
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.translation import Translation, translated, translating
from litebatch_asgi.fleet import Fleet
from litebatch_asgi.jsonl import CheckedFile, Splicer, json_string, spliced_size
from litebatch_asgi.models import File, Shard
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.spool import Spool

SENT_BYTES = 1 << 20
"""what is given to a connection at once"""

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


def spliced_as(fleet: Fleet, deployment_id: str, file: File, shard: Shard) -> SentAs:
    """What a shard is at a deployment that speaks OpenAI: there the model has a name of its own."""
    if file.endpoint is None:
        return SentAs(None, shard.bytes)
    model = fleet.upstream_model(deployment_id, file.models[0])
    return SentAs(model, spliced_size(shard.bytes, shard.lines, file.line_model, model))


class Received:
    """A file that was received and checked, as far as it is one tile; read from its spool."""

    def __init__(self, spool: Spool, lines: CheckedFile | None, tile: Shard) -> None:
        self._spool = spool
        self._lines = lines
        self._start = tile.start
        self._end = tile.start + tile.bytes

    def blocks(self) -> AsyncGenerator[bytes]:
        """Its bytes as they came."""
        return self._spool.blocks(start=self._start, end=self._end)

    def naming(self, model: str | None) -> Content:
        """The same with another model in its lines; None: it has none."""
        lines = self._lines
        if lines is None or model is None:
            return self.blocks

        async def spliced() -> AsyncGenerator[bytes]:
            old, new = json_string(lines.model), json_string(model)
            splicer = Splicer(lines.spans, len(old), new, start=self._start)
            views = self._spool.views(SENT_BYTES, start=self._start, end=self._end)
            async with aclosing(views) as blocks:
                async for block in blocks:
                    yield splicer.feed(block)

        return spliced


class FormMaker:
    """Brings files into the form that a deployment takes."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @asynccontextmanager
    async def of(
        self,
        deployment_id: str,
        file: File,
        shard: Shard,
        *,
        read: Callable[[], AsyncGenerator[bytes]],
        plain: Content,
    ) -> AsyncGenerator[Form]:
        """The form of a shard of an accepted file at one deployment, until the block ends.

        `read` begins what was uploaded, `plain` the same with the deployment's name for the model. Raises
        as `translated` does.
        """
        fleet = self._runtime.fleet
        dialect = dialect_of(fleet, deployment_id, file)
        sent = spliced_as(fleet, deployment_id, file, shard)
        if dialect is None:
            yield Form(sent=sent, content=plain, refusal=self._above_limit(deployment_id, file, shard, sent))
            return
        is_kept = fleet.adapter(deployment_id).keeps_files
        async with aclosing(read()) as blocks:
            translation = await translated(self._runtime, blocks, dialect, is_kept=is_kept)
        try:
            hit("upload.translated")
            yield self._translated(deployment_id, file, shard, sent, translation, dialect, read)
        finally:
            await translation.aclose()

    def _translated(
        self,
        deployment_id: str,
        file: File,
        shard: Shard,
        sent: SentAs,
        translation: Translation,
        dialect: Dialect,
        read: Callable[[], AsyncGenerator[bytes]],
    ) -> Form:
        spool = translation.spool
        content = spool.blocks if spool is not None else partial(_streamed, self._runtime, read, dialect)
        refusal = _cannot_be_said(translation.problems, shard) if translation.problems else None
        sent = SentAs(sent.model, translation.size, is_translated=True, sha256=translation.sha256)
        return Form(
            sent=sent,
            content=content,
            spool=spool,
            refusal=refusal or self._above_limit(deployment_id, file, shard, sent),
        )

    def _above_limit(self, deployment_id: str, file: File, shard: Shard, sent: SentAs) -> CannotTake | None:
        """That a batch's input has more lines or bytes than the deployment takes at once."""
        if file.endpoint is None:
            return None
        limits = self._runtime.fleet.job_limits(deployment_id)
        if limits.requests is not None and shard.lines > limits.requests:
            most = limits.requests
            return _too_much("too_many_tasks", f"holds {shard.lines} requests: at most {most} are taken")
        if limits.bytes is not None and sent.bytes > limits.bytes:
            most, size = limits.bytes, sent.bytes
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
        self._forms: dict[tuple[int, str], Form] = {}
        self._translated: list[tuple[Dialect, tuple[object, ...], Form]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def __getitem__(self, place: tuple[int, str]) -> Form:
        """The form of a tile, by its number, at one of the deployments."""
        return self._forms[place]

    async def make(
        self, file: File, tile: Shard, deployment_ids: Sequence[str], *, enough: int | None = None
    ) -> list[str]:
        """Bring a tile into its form at one deployment after the other, until `enough` of them can take it.

        Returns those that were looked at, None being enough: all of them. Raises `InvalidFile` if none of
        them can take it: with the problems of the one that has the fewest.
        """
        made: dict[str, Form] = {}
        for where in deployment_ids:
            if enough is not None and sum(form.refusal is None for form in made.values()) >= enough:
                break
            made[where] = self._forms[tile.shard, where] = await self._form(file, tile, where)
        refusals = [form.refusal for form in made.values() if form.refusal is not None]
        if refusals and len(refusals) == len(made):
            raise InvalidFile(min(refusals, key=lambda refusal: len(refusal.problems)).problems)
        return list(made)

    async def _form(self, file: File, tile: Shard, where: str) -> Form:
        dialect = dialect_of(self._runtime.fleet, where, file)
        alike = self._alike(file, tile, where)
        for known, how, form in self._translated:
            if dialect is not None and how == alike and encode_alike(known, dialect):
                return form
        form = await self._stack.enter_async_context(self.at(file, tile, where))
        if dialect is not None:
            self._translated.append((dialect, alike, form))
        return form

    @asynccontextmanager
    async def at(self, file: File, tile: Shard, where: str) -> AsyncGenerator[Form]:
        """The form of a tile at a deployment, until the block ends; the spool is to stay open until then."""
        received = Received(self._spool, self._lines, tile)
        plain = received.naming(spliced_as(self._runtime.fleet, where, file, tile).model)
        async with self._maker.of(where, file, tile, read=received.blocks, plain=plain) as form:
            yield form if form.spool is not None else replace(form, spool=self._spool)

    def _alike(self, file: File, tile: Shard, where: str) -> tuple[object, ...]:
        """Equal for deployments with one form of a tile, if their dialects encode alike."""
        fleet = self._runtime.fleet
        model = spliced_as(fleet, where, file, tile).model
        return tile.shard, model, fleet.adapter(where).keeps_files, fleet.job_limits(where)


async def _streamed(
    runtime: Runtime, read: Callable[[], AsyncGenerator[bytes]], dialect: Dialect
) -> AsyncGenerator[bytes]:
    async with aclosing(translating(runtime, read(), dialect)) as blocks:
        async for block in blocks:
            yield block


def _cannot_be_said(problems: Sequence[Problem], shard: Shard) -> CannotTake:
    """The problems of lines, numbered as they stand in the file where the shard is a run of it."""
    if shard.is_tile:
        problems = [replace(each, line=each.line and each.line + shard.first_line) for each in problems]
    return CannotTake.because(problems)


def _too_much(code: str, what: str) -> CannotTake:
    message = f"The file {what}; split it into several files."
    return CannotTake.because((Problem(code=code, line=None, param=None, message=message),))
