"""Writes tools and the choice among them as Anthropic has them."""

from __future__ import annotations

from litebatch_asgi.dialects.anthropic.schema import claude_schema
from litebatch_asgi.dialects.refusal import invalid, unsupported
from litebatch_asgi.dialects.tools import Function, ToolChoice
from litebatch_asgi.dialects.values import Object

_TYPES = {"none": "none", "auto": "auto", "required": "any"}


def write_tools(functions: list[Function], *, has_formats: bool) -> list[Object]:
    """`tools`.

    Args:
        functions: in the client's order.
        has_formats: the model can be made to follow schemas.

    """
    return [_tool(function, has_formats) for function in functions]


def write_choice(choice: ToolChoice | None, *, parallel: bool) -> Object | None:
    """`tool_choice`; None where Claude does the same without it."""
    if choice is None or choice.mode == "auto":
        if choice is not None and choice.names:
            raise unsupported(choice.param, "the provider cannot limit a free choice. Give only those tools.")
        return None if parallel else {"type": "auto", "disable_parallel_tool_use": True}
    if len(choice.names) > 1:
        raise unsupported(choice.param, "the provider cannot limit the choice. Give only those tools.")
    told: Object = {"type": _TYPES[choice.mode]}
    if choice.names:
        told = {"type": "tool", "name": choice.names[0]}
    if choice.mode == "required" and not parallel:
        told["disable_parallel_tool_use"] = True
    return told


def _tool(function: Function, has_formats: bool) -> Object:
    told: Object = {"name": function.name}
    if function.description:
        told["description"] = function.description
    param = f"{function.param}.parameters"
    schema = function.parameters or {"type": "object"}
    if schema.get("type") != "object":
        raise invalid(param, "it must describe an object, with type 'object'.")
    if function.strict:
        if not has_formats:
            raise unsupported(f"{function.param}.strict", "this model cannot be made to follow schemas.")
        told["strict"] = True
        schema = claude_schema({"additionalProperties": False, **schema}, param)
    told["input_schema"] = schema
    return told
