"""Server-sent events: any bytes, cut anywhere."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gruyere.gateway import EventReader, UpstreamFailure

LINES = st.sampled_from(
    [
        b"",
        b"",
        b"data: a",
        b"data:b",
        b"data",
        b"data:  c",
        ": comment",
        b"event: x",
        "data: é蛋".encode(),
        b"id: 1",
        b"\xef\xbb\xbfdata: d",
    ]
).map(lambda line: line.encode() if isinstance(line, str) else line)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
STREAMS = st.lists(st.builds(bytes.__add__, LINES, ENDS), max_size=12).map(b"".join)


def read(*parts: bytes) -> list[str]:
    """Read parts and the end."""
    reader = EventReader()
    return [event for part in parts for event in reader.push(part)] + reader.close()


@given(STREAMS, st.sets(st.integers(0, 120), max_size=10))
def test_cuts_change_nothing(stream: bytes, cuts: set[int]) -> None:
    places = sorted(min(cut, len(stream)) for cut in cuts)
    parts = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]
    assert read(*parts) == read(stream)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(stream: bytes) -> None:
    with contextlib.suppress(UpstreamFailure):
        assert sum(len(event) for event in read(stream)) <= len(stream)


def test_events_as_the_standard_has_them() -> None:
    assert read(b"data: a\r\ndata: b\r\n\r\n: note\n\nevent: x\ndata:c\n\n") == ["a\nb", "c"]
    assert read(b"data: a\r", b"\ndata: b\r", b"\r") == ["a\nb"]
    assert read(b"\xef\xbb\xbfdata: a\n\n") == ["a"]
    assert read(b"data: last") == ["last"]


@pytest.mark.parametrize("line", [b"data: " + b"a" * 40, b"data: aaaa\n" * 10, b": " + b"c" * 40])
def test_an_event_over_the_limit_is_refused(line: bytes) -> None:
    with pytest.raises(UpstreamFailure, match="over 32 bytes"):
        EventReader(32).push(line)
