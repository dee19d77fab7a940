"""The paths of Groq's flavour: `/openai/v1`."""

from __future__ import annotations

from .groq_api import GroqDialect
from .mounts import FlavourPaths, Mounted
from .openai_paths import CALLS

_DIALECT = GroqDialect()
GROQ_PATHS: FlavourPaths = FlavourPaths(Mounted("/openai/v1", _DIALECT, CALLS), errors=_DIALECT)
