"""Reads a request line of OpenAI's form, as far as every dialect needs it."""

from __future__ import annotations

from typing import cast

import msgspec

from litebatch_asgi.dialects.refusal import Refusal, missing
from litebatch_asgi.dialects.values import Object, read_object, read_text
from litebatch_asgi.jsonl.answers import members

_decode = msgspec.json.Decoder().decode

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"


def read_line(line: bytes, endpoints: tuple[str, ...]) -> tuple[str, Object]:
    """The url and the body of a line.

    Raises:
        Refusal: the line is not a request to one of the endpoints.

    """
    try:
        request = _decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        message = f"This line is not parseable as valid JSON: {error}."
        raise Refusal("invalid_json_line", None, message) from error
    if not isinstance(request, dict):
        message = "This line is not parseable as valid JSON: each line must hold one whole JSON object."
        raise Refusal("invalid_json_line", None, message)
    told = members(cast("object", request))
    for name in ("url", "body"):
        if told.get(name) is None:
            raise missing(name)
    url = read_text(told["url"], "url")
    if url not in endpoints:
        supported = ", ".join(f"'{endpoint}'" for endpoint in endpoints)
        message = (
            f"The URL '{url[:100]}' is not supported by this model's provider. Supported are: {supported}."
        )
        raise Refusal("invalid_url", "url", message)
    return url, read_object(told["body"], "body")
