"""The built wheel, with its core dependencies alone: it can be mounted, and it is typed in full.

`make check` runs these.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from email.message import Message
from email.parser import HeaderParser
from importlib.metadata import Distribution, distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from tests.host.hosting import provider

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
HOST = """
import asyncio, json, os, sys
import httpx2
from starlette.applications import Starlette
from starlette.routing import Mount
from litebatch_asgi import Deployment, LiteBatch, Principal, Settings

LINE = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions",
        "body": {"model": "m", "messages": [{"role": "user", "content": "Say a."}]}}

litebatch = LiteBatch(
    deployments=[
        Deployment(model_name="m", model="openai/x", api_base=os.environ["PROVIDER"], api_key="sk-x")
    ],
    settings=Settings(min_poll_seconds=0.05),
    storage="sqlite:///" + os.environ["DATABASE"],
    authenticator=lambda connection: Principal(owner="alice"),
)
app = Starlette(routes=[Mount("/v1", litebatch.app)])

EXTRAS = {"click", "rich", "yaml", "uvicorn", "opentelemetry", "htpy", "cryptography"}

async def main():
    async with litebatch.lifespan(app), httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://host.example/v1"
    ) as http:
        answer = await http.post(
            "/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", json.dumps(LINE).encode())}
        )
        answer.raise_for_status()
        asked = {"input_file_id": answer.json()["id"], "endpoint": LINE["url"], "completion_window": "24h"}
        answer = await http.post("/batches", json=asked)
        answer.raise_for_status()
        batch = answer.json()
        while batch["status"] != "completed":
            await asyncio.sleep(0.1)
            batch = (await http.get("/batches/" + batch["id"])).json()
        content = await http.get("/files/" + batch["output_file_id"] + "/content")
        print(json.dumps({
            "custom_id": content.json()["custom_id"],
            "extras": sorted(EXTRAS & set(sys.modules)),
            "from": litebatch.__class__.__module__,
        }))

asyncio.run(main())
"""


ASK = """
import asyncio, json, sys
from litebatch_asgi import Deployment, LiteBatch, Settings
from litebatch_asgi.errors import ConfigError

def litebatch(settings=None, **deployment):
    given = {"model_name": "m", "model": "openai/x", "api_key": "sk-x"} | deployment
    return LiteBatch(deployments=[Deployment(**given)], storage="sqlite:///x.db", settings=settings)

async def enter(litebatch):
    async with litebatch.lifespan(None):
        pass

def run(litebatch):
    asyncio.run(enter(litebatch))

told = {}
for extra, ask in json.loads(sys.argv[1]).items():
    try:
        exec(ask)
    except (ConfigError, ImportError) as error:
        told[extra] = str(error)
print(json.dumps(told))
"""
GOOGLE = (
    'model="vertex_ai/gemini-2.5-flash", vertex_project="p", vertex_location="l", '
    'gcs_bucket_name="my-bucket", api_key=None'
)
ENTRA = (
    'model="azure/x", api_key=None, api_base="https://x.openai.azure.com", tenant_id="t", client_id="c", '
    'client_secret="s"'
)
ASKS = {
    "azure": f"run(litebatch({ENTRA}))",
    "databases": "import litebatch_databases",
    "metrics": "litebatch().metrics_app",
    "otel": "from litebatch_asgi.tracing.collector import span_exporter; span_exporter({})",
    "page": "litebatch().page",
    "store": 'litebatch(Settings(content_store="s3://bucket/prefix"))',
    "vertex": f"run(litebatch({GOOGLE}))",
    "webhooks": 'litebatch(Settings(webhook_keys=["k" * 32]))',
}
"""what needs each extra"""


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    """What a command prints; of one that fails, all of it is shown."""
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | env, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built(folder: Path) -> Path:
    """A wheel of the project as it stands."""
    here = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        *here,
        "--wheel-dir",
        folder,
        ROOT,
        cwd=folder,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def metadata(wheel: Path) -> Message:
    """What the wheel says of itself."""
    with ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode())


def closure(wanted: Iterable[str]) -> dict[str, Distribution]:
    """The installed distributions that these need, and those that they need."""
    found: dict[str, Distribution] = {}
    left = [(text, "") for text in wanted]
    while left:
        text, extra = left.pop()
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        key = requirement.name.lower()
        is_new = key not in found
        found[key] = distribution(requirement.name)
        if is_new or requirement.extras:
            for each in ("", *requirement.extras):
                left.extend((needed, each) for needed in found[key].requires or [])
    return found


def link(installed: Distribution, site: Path) -> None:
    """Let another environment have what is installed here."""
    for file in installed.files or []:
        top = file.parts[0]
        target = site / top
        if top not in ("..", "__pycache__") and not target.exists():
            target.symlink_to(Path(str(installed.locate_file(top))))


def environment(folder: Path, wheel: Path) -> tuple[Path, Path]:
    """Interpreter and `site-packages` of a new environment that has the wheel and nothing else."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    interpreter = folder / "bin" / "python"
    (site,) = (folder / "lib").glob("python*/site-packages")
    install = ("install", "-q", "--no-deps", "--no-index", wheel)
    run(sys.executable, "-m", "pip", "--python", interpreter, *install, cwd=folder.parent)
    return interpreter, site


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the wheel, its core dependencies and nothing else."""
    interpreter, site = environment(tmp_path_factory.mktemp("core") / "venv", wheel)
    for installed in closure(metadata(wheel).get_all("Requires-Dist") or []).values():
        link(installed, site)
    return interpreter


def test_it_can_be_mounted_with_sqlite_and_does_a_batch(python: Path, tmp_path: Path) -> None:
    with provider() as running:
        told = run(
            python,
            "-W",
            "error",
            "-I",
            "-c",
            HOST,
            cwd=tmp_path,
            PROVIDER=f"{running.address}/east/v1",
            DATABASE=str(tmp_path / "batches.db"),
        )
    assert json.loads(told) == {"custom_id": "a", "extras": [], "from": "litebatch_asgi.app"}


def test_what_the_server_needs_is_not_there_and_said(python: Path) -> None:
    done = subprocess.run(
        [python.parent / "litebatch", "serve"], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode != 0
    assert "litebatch-asgi[server]" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_an_extra_that_is_missing_is_told_with_the_line_that_installs_it(
    python: Path, tmp_path: Path
) -> None:
    told = json.loads(run(python, "-W", "error", "-I", "-c", ASK, json.dumps(ASKS), cwd=tmp_path))
    assert told.keys() == ASKS.keys()
    for extra, message in told.items():
        assert message.endswith(f"pip install 'litebatch-asgi[{extra}]'")


def test_what_the_page_loads_is_in_it(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        static = {Path(name).name for name in archive.namelist() if "/page/static/" in name}
    assert {"style.css", "page.js", "icon.svg"} <= static


def test_every_extra_is_asked_for(wheel: Path) -> None:
    """`server` has a test of its own; without `prices` a cost is null, and a warning tells the line."""
    extras = metadata(wheel).get_all("Provides-Extra") or []
    assert set(extras) - {"dev"} == {*ASKS, "server", "prices"}


def test_every_public_name_has_a_known_type(wheel: Path, tmp_path: Path) -> None:
    interpreter, site = environment(tmp_path / "venv", wheel)
    rest = Path(pytest.__file__).parents[1]  # what the parts for testing and serving are typed by
    (site / "rest.pth").write_text(f"{rest}\n")
    path = f"{interpreter.parent}{os.pathsep}{os.environ['PATH']}"  # which pyright asks for its python
    asked = ("--verifytypes", "litebatch_asgi", "--ignoreexternal", "--outputjson")
    done = subprocess.run(
        [sys.executable, "-m", "pyright", *asked],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    report = json.loads(done.stdout)["typeCompleteness"]
    known = report["exportedSymbolCounts"]["withKnownType"]
    unknown = [each["name"] for each in report["symbols"] if not each["isTypeKnown"] and each["isExported"]]
    assert unknown == []
    assert known > 1000
    assert report["completenessScore"] == 1
