"""Writes tools and the choice among them as Gemini has them."""

from __future__ import annotations

from litebatch_asgi.dialects.refusal import invalid
from litebatch_asgi.dialects.tools import Function, ToolChoice
from litebatch_asgi.dialects.values import Object
from litebatch_asgi.dialects.vertex.imports import check_import
from litebatch_asgi.dialects.vertex.schema import vertex_schema

_PARAMETERS_DEPTH = 7  # line, request, tools, tool, functionDeclarations, declaration
_MODES = {"none": "NONE", "auto": "AUTO", "required": "ANY"}


def write_functions(functions: list[Function]) -> list[Object]:
    """`functionDeclarations`; a function without parameters has none."""
    return [_declaration(function) for function in functions]


def write_choice(choice: ToolChoice | None, functions: list[Function]) -> Object | None:
    """`functionCallingConfig`; None where Gemini does the same without it.

    In Gemini's mode VALIDATED the model chooses freely, among the named functions if there are names, and its
    calls follow their schemas. In the mode ANY they always do.
    """
    mode, names = ("auto", []) if choice is None else (choice.mode, choice.names)
    if mode == "auto":
        if not names and not any(function.strict for function in functions):
            return None
        told: Object = {"mode": "VALIDATED"}
    else:
        told = {"mode": _MODES[mode]}
    if names:
        told["allowedFunctionNames"] = names
    return told


def _declaration(function: Function) -> Object:
    told: Object = {"name": function.name}
    if function.description:
        told["description"] = function.description
    if function.parameters:
        param = f"{function.param}.parameters"
        schema = vertex_schema(function.parameters, param)
        if schema.get("type", "object") != "object":
            raise invalid(param, "it must describe an object.")
        if _has_parameters(schema):
            check_import(schema, param, _PARAMETERS_DEPTH)
            told["parametersJsonSchema"] = schema
        elif schema.get("required"):
            raise invalid(f"{param}.required", "it names properties that are not there.")
    return told


def _has_parameters(schema: Object) -> bool:
    """Whether a schema says anything but that there are no properties."""
    said = schema.keys() - {"type", "title", "description", "required", "additionalProperties"}
    return bool(said or schema.get("additionalProperties"))
