"""How a translation says that it cannot be. Raised inside this package only; clients are told a `Problem`."""

from __future__ import annotations

from litebatch_asgi.errors import Problem


class Refusal(Exception):
    """A provider cannot be given what a line asks for; the message says why and what to do instead."""

    def __init__(self, code: str, param: str | None, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.message = message

    def problem(self, line: int) -> Problem:
        """What the client is told of its line."""
        return Problem(code=self.code, line=line, param=self.param, message=self.message)


def unsupported(param: str, why: str) -> Refusal:
    """The refusal of a parameter, or of a value of it, that is right for OpenAI."""
    return Refusal("unsupported_parameter", param, f"'{param}' is not supported here: {why}")


def invalid(param: str, why: str) -> Refusal:
    """The refusal of a value that OpenAI would not take either."""
    return Refusal("invalid_value", param, f"Invalid value for '{param}': {why}")


def missing(param: str) -> Refusal:
    """The refusal of a line without what it needs."""
    return Refusal("missing_required_parameter", param, f"Missing required parameter: '{param}'.")
