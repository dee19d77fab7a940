"""Writes tools and the choice among them as Mistral has them."""

from __future__ import annotations

from litebatch_asgi.dialects.refusal import invalid, unsupported
from litebatch_asgi.dialects.tools import Function, ToolChoice
from litebatch_asgi.dialects.values import Object

_MODES = {"none": "none", "auto": "auto", "required": "any"}


def write_tools(functions: list[Function]) -> list[Object]:
    """`tools`, in the client's order."""
    return [{"type": "function", "function": _function(function)} for function in functions]


def write_choice(choice: ToolChoice) -> str | Object:
    """`tool_choice`."""
    if choice.mode == "required" and len(choice.names) == 1:
        return {"type": "function", "function": {"name": choice.names[0]}}
    if choice.names:
        raise unsupported(choice.param, "the provider cannot limit the choice. Give only those tools.")
    return _MODES[choice.mode]


def _function(function: Function) -> Object:
    parameters = function.parameters or {"type": "object", "properties": {}}
    if parameters.get("type", "object") != "object":
        raise invalid(f"{function.param}.parameters", "it must describe an object, with type 'object'.")
    told: Object = {"name": function.name, "parameters": parameters}
    if function.description:
        told["description"] = function.description
    if function.strict:
        told["strict"] = True
    return told
