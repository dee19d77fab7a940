"""Models of files: their names, and choosing one."""

from __future__ import annotations

import htpy as h
from htpy import Element, Node

from litebatch_asgi.models import File
from litebatch_asgi.page.parts import field
from litebatch_asgi.page.visit import Visit

_MOST_OFFERED = 500
"""models to choose from; others can be typed"""


def names_of(file: File) -> str:
    """The virtual models of a file, without what only stands for the provider that its upload has named."""
    first, *others = file.models or ("",)
    return ", ".join([first, *(name for name in others if not name.endswith("*"))])


def model_field(visit: Visit, label: str, value: str | None, hint: str | None = None) -> Node:
    """A field for virtual models, with those that the visitor may use to choose from."""
    return [
        field(label, "model", value, hint=hint, list="models", autocomplete="off", spellcheck="false"),
        _known(visit),
    ]


def _known(visit: Visit) -> Element:
    names = visit.services.models(visit.principal)[:_MOST_OFFERED]
    return h.datalist("#models")[(h.option(value=name) for name in names)]
