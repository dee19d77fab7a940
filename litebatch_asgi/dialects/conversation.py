"""Reads the messages of a chat completion into turns that every provider can be told."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import msgspec

from litebatch_asgi.dialects.media import GIVEN, SAID, Part, read_parts, read_texts
from litebatch_asgi.dialects.refusal import invalid, missing, unsupported
from litebatch_asgi.dialects.tools import read_name
from litebatch_asgi.dialects.values import (
    Object,
    check_keys,
    read_array,
    read_choice,
    read_kind,
    read_object,
    read_text,
)


class System(NamedTuple):
    """Instructions."""

    texts: list[str]
    param: str


class User(NamedTuple):
    """What a user said; there is at least one part."""

    parts: list[Part]
    param: str


class Call(NamedTuple):
    """A call of a function."""

    number: int
    """among all calls of the conversation, from 1"""
    name: str
    arguments: Object
    param: str


class Assistant(NamedTuple):
    """What the model said and called; at least one of both."""

    texts: list[str]
    calls: list[Call]
    param: str


class Result(NamedTuple):
    """What a call gave back."""

    call: Call
    texts: list[str]
    param: str


class Results(NamedTuple):
    """What all calls of the turn before gave back, in the order of the calls."""

    results: list[Result]


Turn: TypeAlias = System | User | Assistant | Results

MESSAGE_KEYS = {
    "system": frozenset({"role", "content", "name"}),
    "developer": frozenset({"role", "content", "name"}),
    "user": frozenset({"role", "content", "name"}),
    "assistant": frozenset(
        {"role", "content", "name", "refusal", "tool_calls", "audio", "function_call", "annotations"}
    ),
    "tool": frozenset({"role", "content", "tool_call_id"}),
    "function": frozenset({"role", "content", "name"}),
}
"""What a message of each role may have. `annotations` tell sources to readers, and nothing to the model."""
_REFUSED_KEYS = {
    "name": "the provider knows no names of participants. Write the name into the content.",
    "audio": "the provider has not kept the audio of an earlier answer. Give its transcript as content.",
    "function_call": "it is deprecated. Use tool_calls.",
}
_decode = msgspec.json.Decoder().decode


def read_messages(value: object, param: str) -> list[Turn]:
    """The turns of a conversation, in order.

    Raises:
        Refusal: it is no conversation, or holds what no other provider than OpenAI can be told.

    """
    reader = _Reader()
    for index, item in enumerate(read_array(value, param)):
        place = f"{param}[{index}]"
        reader.read(read_object(item, place), place)
    reader.check_answered()
    turns = reader.turns
    if not any(isinstance(turn, User) for turn in turns):
        raise invalid(param, "there must be a message of a user.")
    if isinstance(turns[-1], Assistant):
        raise unsupported(turns[-1].param, "the provider would go on with the assistant's last message.")
    return turns


class _Reader:
    """Reads messages one after the other."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._calls = 0
        self._calls_param = ""
        self._open: dict[str, Call] = {}
        self._results: dict[str, Result] = {}

    def read(self, message: Object, param: str) -> None:
        """Add the next message."""
        role = read_choice(message.get("role"), f"{param}.role", MESSAGE_KEYS)
        check_keys(message, param, MESSAGE_KEYS[role])
        if role == "function":
            raise unsupported(param, "messages of the role 'function' are deprecated. Use 'tool'.")
        for name, why in _REFUSED_KEYS.items():
            if message.get(name) is not None:
                raise unsupported(f"{param}.{name}", why)
        if role == "tool":
            self._add_result(message, param)
            return
        self.check_answered()
        if role == "assistant":
            self._add_assistant(message, param)
            return
        content = message.get("content")
        if content is None:
            raise missing(f"{param}.content")
        if role == "user":
            parts = read_parts(content, f"{param}.content", GIVEN)
            if not parts:
                raise invalid(f"{param}.content", "it is empty.")
            self.turns.append(User(parts, param))
        elif texts := read_texts(content, f"{param}.content"):
            self._add_system(texts, param)

    def check_answered(self) -> None:
        """Refuse a conversation that goes on, or ends, before all calls of a turn gave something back."""
        if self._open.keys() == self._results.keys():
            if self._open:
                self.turns.append(Results([self._results[name] for name in self._open]))
                self._open, self._results = {}, {}
            return
        left = ", ".join(name[:64] for name in self._open if name not in self._results)
        raise invalid(self._calls_param, f"each must be followed by a tool message. These have none: {left}.")

    def _add_system(self, texts: list[str], param: str) -> None:
        if self.turns and not isinstance(self.turns[-1], System):
            why = "the provider takes instructions before all other messages only. Move this one there."
            raise unsupported(param, why)
        self.turns.append(System(texts, param))

    def _add_assistant(self, message: Object, param: str) -> None:
        texts: list[str] = []
        for name in ("content", "refusal"):
            if message.get(name) is not None:
                texts += read_texts(message[name], f"{param}.{name}", SAID)
        calls = message.get("tool_calls")
        if calls is not None:
            self._calls_param = f"{param}.tool_calls"
            for index, item in enumerate(read_array(calls, f"{param}.tool_calls")):
                place = f"{param}.tool_calls[{index}]"
                self._add_call(read_object(item, place), place)
        if not texts and not self._open:
            raise invalid(param, "it has neither content nor tool_calls.")
        self.turns.append(Assistant(texts, list(self._open.values()), param))

    def _add_call(self, call: Object, param: str) -> None:
        check_keys(call, param, ("id", "type", "function"))
        if call.get("type") == "custom":
            raise unsupported(f"{param}.type", "the provider has no custom tools. Use functions.")
        read_kind(call, param, ("function",))
        call_id = read_text(call.get("id"), f"{param}.id")
        if call_id in self._open:
            raise invalid(f"{param}.id", f"'{call_id[:64]}' stands there twice.")
        function = read_object(call.get("function"), f"{param}.function")
        check_keys(function, f"{param}.function", ("name", "arguments"))
        name = read_name(function, f"{param}.function")
        arguments = _read_arguments(function.get("arguments"), f"{param}.function.arguments")
        self._calls += 1
        self._open[call_id] = Call(self._calls, name, arguments, f"{param}.function.arguments")

    def _add_result(self, message: Object, param: str) -> None:
        call_id = read_text(message.get("tool_call_id"), f"{param}.tool_call_id")
        call = self._open.get(call_id)
        if call is None or call_id in self._results:
            why = f"no open call of the assistant message before it has the id '{call_id[:64]}'."
            raise invalid(f"{param}.tool_call_id", why)
        if message.get("content") is None:
            raise missing(f"{param}.content")
        texts = read_texts(message["content"], f"{param}.content")
        self._results[call_id] = Result(call, texts, f"{param}.content")


def _read_arguments(value: object, param: str) -> Object:
    text = read_text(value, param)
    if not text.strip():
        return {}
    try:
        return read_object(_decode(text), param)
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid(param, f"the provider needs a JSON object; this is none: {error}.") from error
