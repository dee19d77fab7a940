"""What becomes of the results that a batch has written."""

from __future__ import annotations

from .account_context import AccountContext
from .execution import Written
from .file_store import FileStore
from .json_values import JSON
from .objects import BatchObject, StoredFile


class Publication:
    """Makes files of results, or throws them away. `output_seconds` is the life of such files."""

    def __init__(
        self, context: AccountContext, files: FileStore, project: str, output_seconds: int | None
    ) -> None:
        self._context = context
        self._files = files
        self._project = project
        self._output_seconds = output_seconds

    async def publish(
        self, batch: BatchObject, details: JSON, kind: str, several: tuple[Written, ...]
    ) -> str | None:
        """Make files of what was written, of the kind `output` or `error`.

        Answers with the id that the batch has for them; None where nothing was written.
        """
        if not several:
            return None
        flavour = self._context.flavour
        places = flavour.result_places(batch, details, kind, len(several))
        made: list[StoredFile] = []
        for written, (file_id, filename) in zip(several, places.files, strict=True):
            measured: JSON | None = None
            if flavour.measure is not None:
                _, measured = await self._context.disk.run(flavour.measure, written.path)
            stored = self._files.add(
                written,
                filename,
                "batch_output",
                self._output_seconds,
                project=self._project,
                file_id=file_id,
                details=measured,
            )
            made.append(stored)
        return places.shown or made[0].shown.id

    async def throw_away(self, several: tuple[Written, ...]) -> None:
        """Remove what was written."""
        for written in several:
            await self._context.disk.run(written.path.unlink)
