"""A conversation in the terminal. Words are green far from the threshold, yellow half-way, red near it."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from rich.style import Style

from gruyere.cli.running import err, out
from gruyere.gateway import Upstream, chat_turn
from gruyere.guard import Blocked, Guard, JudgedWord
from gruyere.values import Message, UpstreamError

_QUIT = {"/quit", "/exit"}


@dataclass(frozen=True, slots=True)
class Partner:
    """Who is talked to: a guard around a model.

    Args:
        model: Name to ask the model's server for.
        max_tokens: Longest answer, in tokens; small models do not end by themselves.
    """

    guard: Guard
    upstream: Upstream
    model: str
    max_tokens: int


def colour(nearness: float) -> str:
    """Return a colour between green (0) and red (1: the guard blocks), as `#rrggbb`."""
    share = min(max(nearness, 0.0), 1.0)
    red, green = round(220 * min(1.0, 2 * share)), round(200 * min(1.0, 2 - 2 * share))
    return f"#{red:02x}{green:02x}40"


async def talk(partner: Partner) -> None:
    """Read requests from the terminal until it ends; a blocked turn is taken out of the conversation."""
    messages: list[Message] = []
    err.print(
        f"{partner.guard.release.name}; green words are far from the threshold, red ones near. /quit ends.", style="dim"
    )
    while (request := _ask()) is not None:
        messages.append(Message(role="user", content=request))
        try:
            words, blocked = await _turn(partner, messages)
        except UpstreamError as error:
            err.print(f"error: {error}", style="bold red", markup=False, highlight=False)
            messages.pop()
            continue
        if blocked is not None:
            messages.pop()
        else:
            messages.append(Message(role="assistant", content="".join(word.text for word in words)))


async def talk_once(partner: Partner, request: str, *, quiet: bool) -> dict[str, object]:
    """Ask one thing; return the answer with its scores, for scripts.

    Raises:
        UpstreamError: If the model's server fails.
    """
    words, blocked = await _turn(partner, [Message(role="user", content=request)], quiet=quiet)
    await partner.upstream.aclose()
    return {
        "answer": "".join(word.text for word in words),
        "words": [{"text": w.text, "score": w.score, "nearness": w.nearness} for w in words],
        "verdict": "allow" if blocked is None else "block",
        "layer": None if blocked is None else blocked.verdict.layer,
        "score": None if blocked is None else blocked.verdict.score,
        "refusal": None if blocked is None else blocked.refusal,
    }


def _ask() -> str | None:
    """Return the next request; None at the end."""
    while True:
        try:
            request = out.input("[bold]you>[/] ").strip()
        except (EOFError, KeyboardInterrupt):
            return None
        if request in _QUIT:
            return None
        if request:
            return request


async def _turn(
    partner: Partner, messages: Sequence[Message], *, quiet: bool = False
) -> tuple[list[JudgedWord], Blocked | None]:
    words: list[JudgedWord] = []
    blocked: Blocked | None = None
    turn = chat_turn(partner.guard, partner.upstream, messages, model=partner.model, max_tokens=partner.max_tokens)
    async with aclosing(turn) as events:
        async for event in events:
            if isinstance(event, Blocked):
                blocked = event
            else:
                words.append(event)
            if not quiet:
                _show(event)
    if not quiet:
        out.print()
    return words, blocked


def _show(event: JudgedWord | Blocked) -> None:
    if isinstance(event, JudgedWord):
        style = Style(color=colour(event.nearness))
        out.print(event.text, style=style, end="", markup=False, highlight=False, soft_wrap=True)
        return
    verdict = event.verdict
    where = "failure" if verdict.score is None else f"{verdict.layer}, score {verdict.score:.3f}"
    out.print(f"\n[blocked: {where}] {event.refusal}", style="bold red", end="", markup=False, highlight=False)
