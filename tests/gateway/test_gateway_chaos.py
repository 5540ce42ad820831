"""An upstream that breaks off anywhere in its answer."""

import httpx
from gateway_parts import DONE, Die, ask, delta, events_of, guarded, reasons_of, scripted, text_of, usage

from gruyere.values import cut_words

WHOLE = b"".join(
    [
        delta(role="assistant", content=""),
        delta(content="Thé is n"),
        delta(content="ice and hot. 茶"),
        delta(tool_calls=[{"index": 0, "id": "c", "function": {"name": "pour", "arguments": '{"cups": 2, "a": 1}'}}]),
        delta(reason="tool_calls"),
        usage(3, 9),
        DONE,
    ]
)
STEP = 13
"""Bytes between one place to break off and the next: no divisor of anything in the stream."""


def test_wherever_the_upstream_breaks_off_only_judged_words_are_shown() -> None:
    words = cut_words("Thé is nice and hot. 茶")
    beginnings = {"".join(words[:n]) for n in range(len(words) + 1)}
    with scripted() as upstream, guarded(upstream) as (address, guard), httpx.Client() as caller:
        for place in range(0, len(WHOLE), STEP):
            upstream.script = [WHOLE[:place], Die()] if place else [Die()]
            answer = caller.post(f"{address}/v1/chat/completions", json=ask(stream=True))
            if answer.status_code == 502:
                assert answer.json()["error"]["code"] == "upstream_lost"
                continue
            events = events_of(answer.text)
            assert events[-1] == "[DONE]"
            assert text_of(events) in beginnings
            assert ("error" in events[-2]) == (reasons_of(events) == [])
        assert guard.counters.words_released_unjudged == 0
