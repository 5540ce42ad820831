"""Server-sent events, read incrementally and with limits. Knows nothing of what they carry.

Source: the event stream format of the HTML standard, section 9.2.6. Only `data` fields are kept.
"""

import re

from gruyere.gateway.errors import UpstreamFailure

MOST_BYTES = 4 * 1024 * 1024
"""Largest line, and largest event, in bytes."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class EventReader:
    """Turns bytes, cut anywhere, into the data of complete events."""

    __slots__ = ("_data", "_first", "_line", "_most", "_size", "_skip_newline")

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._line = bytearray()  # the line that is not complete yet
        self._data: list[str] = []  # data lines of the event that is not complete yet
        self._size = 0
        self._first = True
        self._skip_newline = False  # the last bytes ended with CR: an LF now belongs to it

    def push(self, received: bytes) -> list[str]:
        """Return the data of the events that these bytes complete.

        Raises:
            UpstreamFailure: If a line or an event is too large or is not UTF-8.
        """
        if self._skip_newline and received:
            self._skip_newline = False
            received = received.removeprefix(b"\n")
        events: list[str] = []
        start = 0
        for end in _LINE_END.finditer(received):
            self._grow(received[start : end.start()])
            start = end.end()
            self._skip_newline = end.group() == b"\r" and start == len(received)
            self._take_line(events)
        self._grow(received[start:])
        return events

    def close(self) -> list[str]:
        """Return the event that the end of the stream completes: some servers leave out the last empty line."""
        events: list[str] = []
        if self._line:
            self._take_line(events)
        self._take_event(events)
        return events

    def _grow(self, part: bytes) -> None:
        self._line += part
        if len(self._line) + self._size > self._most:
            raise UpstreamFailure(f"the upstream sent an event of over {self._most} bytes", code="upstream_malformed")

    def _take_line(self, events: list[str]) -> None:
        raw = bytes(self._line)
        self._line.clear()
        if self._first:
            self._first = False
            raw = raw.removeprefix(_BOM)
        if not raw:
            self._take_event(events)
            return
        name, _, value = raw.partition(b":")
        if name != b"data":
            return
        try:
            self._data.append(value.removeprefix(b" ").decode("utf-8"))
        except UnicodeDecodeError:
            raise UpstreamFailure("the upstream sent an event that is not UTF-8", code="upstream_malformed") from None
        self._size += len(value) + 1

    def _take_event(self, events: list[str]) -> None:
        if self._data:
            events.append("\n".join(self._data))
        self._data.clear()
        self._size = 0
