"""Reads which functions a model may call, and which of them it must."""

from __future__ import annotations

import re
from typing import NamedTuple

from litebatch_asgi.dialects.refusal import invalid, missing, unsupported
from litebatch_asgi.dialects.values import (
    Object,
    check_keys,
    read_array,
    read_choice,
    read_flag,
    read_kind,
    read_object,
    read_text,
)

FUNCTION_KEYS = frozenset({"name", "description", "parameters", "strict"})
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Function(NamedTuple):
    """A function that the model may call."""

    name: str
    description: str | None
    parameters: Object | None
    """JSON Schema"""
    strict: bool
    """calls must follow the schema"""
    param: str


class ToolChoice(NamedTuple):
    """Whether the model must call a function, and which it may."""

    mode: str
    """`none`, `auto` or `required`"""
    names: list[str]
    """of the functions that it may call; all, if there are none"""
    param: str


def read_tools(value: object, param: str) -> list[Function]:
    """The functions of `tools`."""
    functions: dict[str, Function] = {}
    for index, item in enumerate(read_array(value, param)):
        place = f"{param}[{index}]"
        tool = read_object(item, place)
        if tool.get("type") == "custom":
            raise unsupported(f"{place}.type", "the provider has no custom tools. Use functions.")
        read_kind(tool, place, ("function",))
        check_keys(tool, place, ("type", "function"))
        function = _read_function(tool.get("function"), f"{place}.function")
        if function.name in functions:
            raise invalid(f"{place}.function.name", f"'{function.name}' stands there twice.")
        functions[function.name] = function
    return list(functions.values())


def _read_function(value: object, param: str) -> Function:
    function = read_object(value, param)
    check_keys(function, param, FUNCTION_KEYS)
    description, parameters = function.get("description"), function.get("parameters")
    strict = function.get("strict")
    return Function(
        name=read_name(function, param),
        description=None if description is None else read_text(description, f"{param}.description"),
        parameters=None if parameters is None else read_object(parameters, f"{param}.parameters"),
        strict=strict is not None and read_flag(strict, f"{param}.strict"),
        param=param,
    )


def read_name(function: Object, param: str) -> str:
    """The name of a function."""
    if function.get("name") is None:
        raise missing(f"{param}.name")
    name = read_text(function["name"], f"{param}.name")
    if not _NAME.fullmatch(name):
        raise invalid(f"{param}.name", "it must be 1 to 64 letters, digits, underscores and dashes.")
    return name


def read_tool_choice(value: object, param: str, functions: list[Function]) -> ToolChoice:
    """What `tool_choice` says; each function that it names must be one of `functions`."""
    if isinstance(value, str):
        mode = read_choice(value, param, ("none", "auto", "required"))
        choice = ToolChoice(mode, [], param)
    else:
        choice = _read_chosen(read_object(value, param), param)
    known = {function.name for function in functions}
    for name in choice.names:
        if name not in known:
            raise invalid(param, f"the function '{name}' is not among the tools.")
    if choice.mode == "required" and not functions:
        raise invalid(param, "'required' needs tools.")
    return choice


def _read_chosen(value: Object, param: str) -> ToolChoice:
    if value.get("type") == "custom":
        raise unsupported(f"{param}.type", "the provider has no custom tools. Use functions.")
    if read_kind(value, param, ("function", "allowed_tools")) == "function":
        return ToolChoice("required", [_read_named(value, param)], param)
    check_keys(value, param, ("type", "allowed_tools"))
    place = f"{param}.allowed_tools"
    allowed = read_object(value.get("allowed_tools"), place)
    check_keys(allowed, place, ("mode", "tools"))
    mode = read_choice(allowed.get("mode"), f"{place}.mode", ("auto", "required"))
    names: list[str] = []
    for index, item in enumerate(read_array(allowed.get("tools"), f"{place}.tools")):
        tool = f"{place}.tools[{index}]"
        told = read_object(item, tool)
        read_kind(told, tool, ("function",))
        names.append(_read_named(told, tool))
    if not names:
        raise invalid(f"{place}.tools", "it names no tool.")
    return ToolChoice(mode, names, param)


def _read_named(value: Object, param: str) -> str:
    check_keys(value, param, ("type", "function"))
    function = read_object(value.get("function"), f"{param}.function")
    check_keys(function, f"{param}.function", ("name",))
    return read_name(function, f"{param}.function")
