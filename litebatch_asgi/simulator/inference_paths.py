"""An inference server has no paths that the router knows: see `inference_app`."""

from __future__ import annotations

from .inference_rules import error_body
from .json_values import JSON
from .mounts import FlavourPaths
from .wire import ApiError


class _Errors:
    def error(self, error: ApiError) -> JSON:
        return error_body(error)


INFERENCE_PATHS: FlavourPaths = FlavourPaths(errors=_Errors())
