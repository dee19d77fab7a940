"""Inputs for providers that keep no files."""

from __future__ import annotations

import io
import os
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from litebatch_asgi.errors import NotFound
from litebatch_asgi.sdk import local_files


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_they_are_kept_listed_and_removed(temporary: Path) -> None:
    kept = [local_files.keep(io.BytesIO(b"{}\n" * count)) for count in (1, 2)]
    assert all(map(local_files.is_local, kept))
    assert {file.id: file.bytes for file in local_files.listed()} == dict(zip(kept, (3, 6), strict=True))
    with local_files.opened(kept[0]) as file:
        assert file.read() == b"{}\n"
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in temporary.iterdir())
    local_files.remove(kept[0])
    local_files.remove(kept[0])
    with pytest.raises(NotFound, match="Create the file again"):
        local_files.look_at(kept[0])
    assert [file.id for file in local_files.listed()] == kept[1:]


def test_a_link_that_somebody_put_there_is_not_followed(temporary: Path) -> None:
    secret = temporary / "secret"
    secret.write_bytes(b"secret")
    (temporary / "litebatch-local-abcdefgh.jsonl").symlink_to(secret)
    with pytest.raises(NotFound):
        local_files.look_at("file-local-abcdefgh")
    assert local_files.listed() == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_that_somebody_put_there_is_not_waited_for(temporary: Path) -> None:
    os.mkfifo(temporary / "litebatch-local-abcdefgh.jsonl")
    found: list[object] = []
    reader = threading.Thread(target=lambda: found.append(local_files.listed()), daemon=True)
    reader.start()
    reader.join(timeout=20)
    assert found == [[]]
    with pytest.raises(NotFound):
        local_files.look_at("file-local-abcdefgh")


@pytest.mark.parametrize("file_id", ["file-1", "file-local-", "file-local-../../etc/passwd", "gs://a/b"])
def test_other_ids_are_none_of_theirs(file_id: str) -> None:
    assert not local_files.is_local(file_id)
