"""The stand-in target of a project: knows its recorded corpus, its transforms and their inverses."""

from collections.abc import Sequence
from dataclasses import replace

from gruyere.language import Known, Skills, StandIn
from gruyere.synthesis import Translation
from gruyere.transforms import ENCODERS, agreed_codewords, requested_format
from gruyere.values import Example
from gruyere.views import read_views


def readings(text: str) -> list[str]:
    """Return the decoded readings of a text, the text itself aside."""
    return [view.text for view in read_views(text)]


def stand_in(examples: Sequence[Example], translations: Sequence[Translation] = ()) -> StandIn:
    """Return the stand-in that answers the single-turn requests of a synthesis, in their own words or translated."""
    known = {
        example.exchange.transcript[-1].content: Known(
            request=example.exchange.transcript[-1].content,
            answer=example.exchange.response,
            restricted=example.provenance.polarity == "harmful",
        )
        for example in examples
        if example.exchange.response is not None and not example.multi_turn
    }
    translated = [
        replace(known[item.text], request=item.translated, disguised=True)
        for item in translations
        if item.text in known
    ]
    return StandIn([*known.values(), *translated], Skills(readings, ENCODERS, requested_format, agreed_codewords))
