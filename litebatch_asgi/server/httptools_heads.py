"""The limits of `heads`, and one on the size of a head, for uvicorn on httptools."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from litebatch_asgi.server.heads import TimedHeads
from litebatch_asgi.server.unread import ReadAnswers

MAX_HEAD_BYTES = 64 << 10
"""of a request line and its headers together, up to one read of the socket"""


class HttpToolsHeads(TimedHeads, ReadAnswers, HttpToolsProtocol):
    """uvicorn's protocol, which cuts off a client that never comes to the end of its headers."""

    _in_head = True
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Take the next bytes of the connection."""
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response(f"The headers have more than {MAX_HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Its body begins."""
        self._in_head = False
        super().on_headers_complete()

    def has_begun_head(self) -> bool:
        """Whether some of a head has come, and not all of it."""
        return self._in_head and self._head_bytes > 0
