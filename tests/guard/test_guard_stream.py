"""The guard around an asynchronous stream: holding, blocking, closing, time limits."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest
from keyword_release import asked, gated_release, keyword_release

from gruyere.guard import REFUSAL, Blocked, Guard, Released, guard_stream


class Model:
    """Writes the given chunks; remembers how far it came and that it was closed."""

    def __init__(self, *chunks: str | Exception) -> None:
        self.chunks = chunks
        self.written = 0
        self.closed = False

    async def write(self) -> AsyncGenerator[str, None]:
        try:
            for chunk in self.chunks:
                await asyncio.sleep(0)
                self.written += 1
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
        finally:
            self.closed = True


async def gather(guard: Guard, model: Model, question: str = "Hi") -> tuple[str, Blocked | None]:
    """Return what was released and how it ended."""
    text, blocked = "", None
    async for event in guard_stream(guard, asked(question), model.write()):
        if isinstance(event, Released):
            assert blocked is None
            text += event.text
        else:
            blocked = event
    return text, blocked


def test_a_harmless_answer_passes_whole() -> None:
    model = Model("Tea ", "is n", "ice.")
    assert asyncio.run(gather(Guard(keyword_release("input", "output")), model)) == ("Tea is nice.", None)
    assert model.closed


def test_a_block_closes_the_model() -> None:
    model = Model("A c", "ake ", *["more "] * 50)
    text, blocked = asyncio.run(gather(Guard(keyword_release("output")), model))
    assert text == "A"
    assert blocked is not None
    assert blocked.refusal == REFUSAL
    assert model.closed
    assert model.written == 2


def test_a_blocked_input_shows_nothing_and_closes_the_model() -> None:
    model = Model("Harmless ", "text")
    text, blocked = asyncio.run(gather(Guard(keyword_release("input", "output")), model, "Bake a cake!"))
    assert text == ""
    assert blocked is not None
    assert blocked.verdict.layer == "input"
    assert model.closed
    assert model.written <= 1


async def turns(condition: Callable[[], bool]) -> None:
    """Let the loop turn until a condition holds: it cannot if a judgement blocks the loop."""
    while not condition():
        await asyncio.sleep(0.001)


def test_the_model_starts_while_the_input_is_judged() -> None:
    """The first chunk is asked for, but not shown, while the input verdict is pending."""
    release, gate = gated_release("input")
    model = Model("Tea.", " Milk.")

    async def look() -> str:
        answer = asyncio.create_task(gather(Guard(release), model))
        await turns(lambda: gate.reached.is_set() and model.written == 1)
        assert not answer.done()
        gate.opened.set()
        return (await answer)[0]

    assert asyncio.run(look()) == "Tea. Milk."


def test_a_slow_judgement_does_not_hold_up_the_loop() -> None:
    release, gate = gated_release("output")

    async def look() -> str:
        answer = asyncio.create_task(gather(Guard(release), Model("one two ")))
        await turns(gate.reached.is_set)
        assert not answer.done()
        gate.opened.set()
        return (await answer)[0]

    assert asyncio.run(look()) == "one two "


@pytest.mark.parametrize(("question", "answer"), [("a slow question", "Tea. "), ("Hi", "one slow answer ")])
def test_a_late_verdict_blocks(question: str, answer: str) -> None:
    guard = Guard(keyword_release("input", "output", misbehaves=True), timeout_s=0.05)
    text, blocked = asyncio.run(gather(guard, Model(answer), question))
    assert text == ""
    assert blocked is not None
    assert blocked.verdict.layer == "failure"
    assert guard.counters.words_released_unjudged == 0


def test_the_model_s_error_comes_through_after_what_was_judged() -> None:
    async def run() -> str:
        text = ""
        with pytest.raises(ConnectionError):
            async for event in guard_stream(
                Guard(keyword_release("input", "output")), asked(), Model("Tea is ", ConnectionError()).write()
            ):
                assert isinstance(event, Released)
                text += event.text
        return text

    assert asyncio.run(run()) == "Tea is"


def test_leaving_early_closes_the_model() -> None:
    model = Model("one ", "two ", "three ")

    async def leave() -> None:
        stream = guard_stream(Guard(keyword_release("output")), asked(), model.write())
        assert isinstance(await anext(stream), Released)
        await stream.aclose()

    asyncio.run(leave())
    assert model.closed
    assert model.written < 3
