"""The stand-in target of a project: knows its recorded corpus, its transforms and their inverses."""

from collections.abc import Sequence

from gruyere.language import Known, Skills, StandIn
from gruyere.transforms import ENCODERS, agreed_codewords, requested_format
from gruyere.values import Example
from gruyere.views import read_views


def readings(text: str) -> list[str]:
    """Return the decoded readings of a text, the text itself aside."""
    return [view.text for view in read_views(text)]


def stand_in(examples: Sequence[Example]) -> StandIn:
    """Return the stand-in that answers the single-turn requests of a synthesis."""
    known = [
        Known(
            request=example.exchange.transcript[-1].content,
            answer=example.exchange.response,
            restricted=example.provenance.polarity == "harmful",
        )
        for example in examples
        if example.exchange.response is not None and not example.multi_turn
    ]
    return StandIn(known, Skills(readings, ENCODERS, requested_format, agreed_codewords))
