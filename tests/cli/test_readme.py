"""What the README shows is what works."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from litebatch_asgi.config import parse_config

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return found


def test_the_configuration_is_one() -> None:
    (text,) = blocks("yaml")
    names = ("OPENAI_KEY_SEARCH", "AZURE_API_KEY", "LITEBATCH_MASTER_KEY", "TENANT")
    environment = dict.fromkeys(names, "k") | {"AZURE_API_BASE": "https://eu.example.com"}
    config = parse_config(text, environment, "README.md")
    assert [deployment.id for deployment in config.deployments] == ["search-project", "eu-general"]
    assert config.warnings == ()


def test_the_request_is_one() -> None:
    (text,) = blocks("json")
    assert set(json.loads(text)) == {"custom_id", "method", "url", "body"}


@pytest.mark.parametrize("text", blocks("python"))
def test_python_is_python(text: str) -> None:
    compile(text, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_the_example_of_mounting_makes_an_app() -> None:
    (text,) = [text for text in blocks("python") if "app.mount" in text]
    made: dict[str, object] = {}
    exec(text, made)
    assert type(made["app"]).__name__ == "FastAPI"
    assert type(made["litebatch"]).__name__ == "LiteBatch"
