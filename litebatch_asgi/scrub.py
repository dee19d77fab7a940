"""Provider texts made fit for clients: no ids, names, addresses or keys of the provider. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import msgspec

# Paths of Google's resources and URLs go as a whole, before names within them are replaced.
_RESOURCE = re.compile(r"""\b(?:projects|publishers|tunedModels)/[^\s'"`,;)\]}>]+""")
_URL = re.compile(r"""\b(?:https?|gs|s3)://[^\s'")\]}>,]+""")
_PRIVATE = re.compile(
    r"""
    (?P<address> \b[\w.+-]+@[\w-]+(?:\.[\w-]+)+
                 | \b[\w-]+(?:\.[\w-]+)*\.(?:com|net|ai|io|dev|cloud|us|cn|local|internal)\b(?::\d+)?
                 | \b(?:[\w-]+\.)+[\w-]+:\d{2,5}\b | \blocalhost:\d+ | \b\d{1,3}(?:\.\d{1,3}){3}\b )
  | (?P<key>     \b(?:sk|pk|key|api[-_]key)-[\w*-]{6,} | \bgsk_\w{6,} | \bBearer\s+\S+
                 | \bAIza[\w-]{10,} | \bya29\.[\w.-]+ | \bGOCSPX-[\w-]+ | \beyJ[\w-]{10,}\.[\w.-]+ )
  | (?P<id>      \b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b
                 | \b(?:file|assistant|batch|batch_req|org|proj|project|req|resp|user)[-_][A-Za-z0-9_-]{6,}
                 | \b(?:msgbatch|msg|toolu|srvtoolu|wrkspc)_(?=\w*\d)\w{6,}
                 | \b(?:ft|ag):[\w.-]+(?::[\w.-]+)+ | \b(?:cmpl|chatcmpl)-\w{6,}
                 | \b(?=[a-zA-Z]*\d)(?=\d*[a-zA-Z])[a-zA-Z0-9]{32}\b
                 | \b(?:files|batches|operations|cachedContents)/(?=[\w-]*\d)[\w-]{6,}
                 | (?<![\w.-])\d{11,}(?![\w.-]) )
    """,
    re.VERBOSE,
)
_PUT_INSTEAD = {"address": "[address]", "key": "[key]", "id": "[id]"}
_OURS = re.compile(r"(?:file-lb|batch_lb)[0-9a-z]{26}")
LONGEST = 1000
"""characters of what is shown"""
_LOOKED_AT = 2 * LONGEST
"""characters, so that what is private is seen whole where the text is cut"""


def scrub(text: str, *, names: Mapping[str, str]) -> str:
    """The text with `names` replaced (longest first), and whatever else looks private blotted out."""
    text = _RESOURCE.sub("[id]", _URL.sub("[address]", text))
    for private in sorted(names, key=len, reverse=True):
        text = text.replace(private, names[private])
    return _PRIVATE.sub(_blot, text[:_LOOKED_AT])[:LONGEST]


class _Error(msgspec.Struct):
    message: str | None = None
    type: str | None = None
    param: str | None = None
    code: str | int | None = None


class _LongBody(msgspec.Struct, omit_defaults=True):
    error: _Error | str | None = None
    message: str | None = None


LONGEST_BODY = 16_384
"""bytes of an error in JSON of which all members are kept"""


def scrub_body(body: bytes, *, names: Mapping[str, str]) -> bytes:
    """An error in JSON, with each text and name in it scrubbed; `null` where it is none that can be read.

    Of a long one only what OpenAI's errors have is kept.
    """
    try:
        return msgspec.json.encode(_scrubbed(_read(body), names))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return b"null"


def _read(body: bytes) -> object:
    if len(body) > LONGEST_BODY:
        return msgspec.to_builtins(msgspec.json.decode(body, type=_LongBody))
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return json.loads(body)  # which takes half of a surrogate pair


def _scrubbed(value: object, names: Mapping[str, str]) -> Any:
    each = partial(_scrubbed, names=names)
    if isinstance(value, str):
        return scrub(value.encode("utf-8", "replace").decode(), names=names)
    if isinstance(value, dict):
        return {each(name): each(told) for name, told in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [each(element) for element in cast("list[object]", value)]
    if isinstance(value, int) and not isinstance(value, bool):
        return value if (told := scrub(str(value), names={})) == str(value) else told
    return value


def _blot(match: re.Match[str]) -> str:
    if _OURS.fullmatch(match.group()):
        return match.group()
    return _PUT_INSTEAD[match.lastgroup or "id"]
