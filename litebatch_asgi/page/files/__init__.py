"""Files: the list, one of them, sending one, and making a batch of one."""

from __future__ import annotations

from litebatch_asgi.page.files.list import show_list
from litebatch_asgi.page.files.making import make_batch, show_making
from litebatch_asgi.page.files.one import delete, download, show_file
from litebatch_asgi.page.files.upload import show_upload, upload
from litebatch_asgi.page.section import PageRoute, Section


def files_section() -> Section:
    """What is there of files."""
    return Section(
        title="Files",
        path="/files",
        routes=(
            PageRoute(path="/files", get=show_list),
            PageRoute(path="/files/new", get=show_upload, post=upload, takes_files=True),
            PageRoute(path="/files/{id}", get=show_file),
            PageRoute(path="/files/{id}/content", get=download),
            PageRoute(path="/files/{id}/delete", post=delete),
            PageRoute(path="/files/{id}/batch", get=show_making, post=make_batch),
        ),
    )
