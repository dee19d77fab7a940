"""The snippets of a README, in order, each with its language and the heading that it stands under."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

_PART = re.compile(
    r"^(#+) (?P<heading>[^\n]+)$|^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Snippet(NamedTuple):
    """One block of code."""

    heading: str
    language: str
    text: str


def snippets(file: Path = README) -> Iterator[Snippet]:
    """All of them."""
    heading = ""
    for part in _PART.finditer(file.read_text()):
        if part["heading"]:
            heading = part["heading"]
        else:
            yield Snippet(heading, part["language"], part["text"])


def under(heading: str, language: str, file: Path = README) -> list[str]:
    """The texts under one heading, at least one."""
    found = [each.text for each in snippets(file) if (each.heading, each.language) == (heading, language)]
    assert found, f"nothing under {heading!r}"
    return found
