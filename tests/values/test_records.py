"""Records: identity by content, labels by derivation."""

import pytest
from pydantic import ValidationError

from gruyere.values import Example, Exchange, Message, Provenance, UsageError, digest_of


def example(polarity: str, responder: str | None) -> Example:
    """An example of the given polarity and author."""
    provenance = Provenance.model_validate(
        {
            "polarity": polarity,
            "kind": "request",
            "category": "c",
            "rules": ("c/1",),
            "topic": "t",
            "language": "en",
            "model": "m",
            "responder": responder,
        }
    )
    exchange = Exchange(transcript=(Message(role="user", content="q"),), response=None if responder is None else "a")
    return Example(exchange=exchange, provenance=provenance, split="train")


@pytest.mark.parametrize(
    ("polarity", "responder", "input_label", "output_label"),
    [
        ("harmful", "helpful_only", "harmful", "harmful"),
        ("harmful", "target", "harmful", "harmless"),
        ("harmless", "generator", "harmless", "harmless"),
        ("monitored", "generator", "harmless", "harmless"),
    ],
)
def test_labels_follow_from_provenance(polarity: str, responder: str, input_label: str, output_label: str) -> None:
    made = example(polarity, responder)
    assert made.label("input") == input_label
    assert made.label("output") == output_label
    assert made.label("exchange") == output_label


def test_a_label_cannot_be_given() -> None:
    row = example("harmful", None).model_dump()
    with pytest.raises(ValidationError, match="label"):
        Example.model_validate({**row, "label": "harmless"})


def test_digests_name_content() -> None:
    one, two = Message(role="user", content="a"), Message(role="user", content="a")
    assert one.digest == two.digest
    assert one.digest != Message(role="user", content="b").digest
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of("\ud800").startswith("v1-")


def test_an_exchange_needs_a_question() -> None:
    with pytest.raises(UsageError):
        Exchange.from_messages([Message(role="assistant", content="hello")])
    user, assistant = Message(role="user", content="q"), Message(role="assistant", content="a")
    assert Exchange.from_messages([user, assistant]).response == "a"
    assert Exchange.from_messages([user, assistant]).messages == (user, assistant)
