"""Upload bodies, built byte by byte."""

from __future__ import annotations

BOUNDARY = b"frontier"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY.decode()}"


def field(name: str, value: str | bytes) -> bytes:
    """A text part."""
    raw = value if isinstance(value, bytes) else value.encode()
    return part(f'form-data; name="{name}"', raw)


def file(content: bytes, *, name: str = "file", filename: str = "in.jsonl") -> bytes:
    """A file part."""
    return part(f'form-data; name="{name}"; filename="{filename}"', content)


def part(disposition: str, content: bytes, *headers: str) -> bytes:
    """Any part: its delimiter, its headers and its content."""
    lines = "".join(f"{line}\r\n" for line in (f"Content-Disposition: {disposition}", *headers))
    return b"--" + BOUNDARY + b"\r\n" + lines.encode() + b"\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """A whole body."""
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"
