"""The paths of Azure's flavour: `/openai`, the classic ones, and `/openai/v1`."""

from __future__ import annotations

from .azure_api import AzureDialect
from .mounts import FlavourPaths, Mounted
from .openai_paths import CALLS

_CLASSIC = AzureDialect(v1=False)
AZURE_PATHS: FlavourPaths = FlavourPaths(
    Mounted("/openai/v1", AzureDialect(v1=True), CALLS),
    Mounted("/openai", _CLASSIC, CALLS),
    errors=_CLASSIC,
)
