"""Guard an asynchronous stream of text with a release: `python recipes/guard_a_stream.py RELEASE`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from gruyere.classifiers.serving.release import Release
from gruyere.guard import Blocked, Guard, guard_stream
from gruyere.values import Message


async def answer() -> AsyncIterator[str]:
    """Stand for any model that streams."""
    for text in ("Knead the dough, ", "let it rise for an hour, ", "and bake the loaf ", "until it sounds hollow."):
        yield text


async def main(release: Path) -> None:
    """Print each word as soon as it is judged, or the refusal."""
    guard = Guard(Release.load(release))
    question = [Message(role="user", content="How do I bake a simple white loaf?")]
    async for event in guard_stream(guard, question, answer()):
        print(event.refusal if isinstance(event, Blocked) else event.text, end="", flush=True)
    print()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
