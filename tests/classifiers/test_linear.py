"""The linear backbone: the streaming contract, and whether it learns."""

import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gruyere.classifiers.serving.linear import LinearClassifier, load_linear, sigmoid
from gruyere.classifiers.serving.release import load_classifier
from gruyere.classifiers.serving.sessions import score_text
from gruyere.classifiers.training.linear import LinearConfig, train_linear
from gruyere.classifiers.training.losses import Objective
from gruyere.classifiers.training.texts import TrainText
from gruyere.values import ArtifactError, Message, Side, UsageError, cut_words

OBJECTIVES: tuple[Objective, ...] = ("token", "cumulative_max", "sliding_softmax")
HARMFUL = ["fold the batter", "cream butter and sugar", "bake the sponge", "ice the layers", "grease the tin"]
HARMLESS = ["boil the rice", "feed the sourdough", "slice an onion", "paint the wall", "solve for x"]
FILLER = ["then", "you", "slowly", "and", "please", "now", "tell", "me", "about", "it"]
SMALL = LinearConfig(epochs=8, window=6, kappa=100.0)
TEXTS = st.text(alphabet=st.sampled_from("ab cake batter 12.,\n\tßéケ­\u200b"), max_size=300)


def toy(side: Side, count: int = 160, seed: int = 0) -> list[TrainText]:
    """Return texts whose label a phrase decides, or for the exchange side the conversation's phrase."""
    rng = random.Random(seed)
    texts = []
    for n in range(count):
        harmful = n % 2 == 0
        phrase = rng.choice(HARMFUL if harmful else HARMLESS)
        words = " ".join([*rng.choices(FILLER, k=6), phrase, *rng.choices(FILLER, k=6)])
        if side == "exchange":
            context = (Message(role="user", content=phrase),)
            texts.append(TrainText(" ".join(rng.choices(FILLER, k=12)), context, float(harmful)))
        else:
            texts.append(TrainText(words, (), float(harmful)))
    return texts


@pytest.fixture(scope="module")
def trained() -> LinearClassifier:
    return train_linear(toy("output"), "output", SMALL)


@given(TEXTS, st.lists(st.integers(0, 300)))
def test_chunking_never_changes_a_score(trained: LinearClassifier, text: str, cuts: list[int]) -> None:
    session = trained.open(())
    places = sorted({min(cut, len(text)) for cut in cuts})
    for start, end in zip([0, *places], [*places, len(text)], strict=True):
        session.push(text[start:end])
    assert session.close() == score_text(trained, text)


@given(st.lists(st.sampled_from(HARMFUL + HARMLESS + FILLER), min_size=1, max_size=30))
def test_the_score_never_falls_and_is_that_of_the_prefix(trained: LinearClassifier, phrases: list[str]) -> None:
    session, before, read = trained.open(()), 0.0, ""
    for word in cut_words(" ".join(phrases) + " "):
        read += word
        score = session.push(word)
        assert before <= score <= 1.0
        assert score == trained.open(()).push(read)
        before = score
    assert session.close() == score_text(trained, " ".join(phrases) + " ")


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_training_separates_what_a_phrase_tells_apart(objective: Objective) -> None:
    config = SMALL.model_copy(update={"objective": objective})
    classifier = train_linear(toy("input"), "input", config)
    fresh = toy("input", count=60, seed=7)
    harmful = [score_text(classifier, t.text) for t in fresh if t.label]
    harmless = [score_text(classifier, t.text) for t in fresh if not t.label]
    assert min(harmful) > max(harmless)


def test_an_exchange_classifier_reads_the_conversation() -> None:
    classifier = train_linear(toy("exchange"), "exchange", SMALL)
    harmful = [score_text(classifier, "and now", (Message(role="user", content=p),)) for p in HARMFUL]
    harmless = [score_text(classifier, "and now", (Message(role="user", content=p),)) for p in HARMLESS]
    assert min(harmful) > max(harmless)


@pytest.mark.parametrize("side", ["output", "exchange"])
def test_saved_and_loaded_it_scores_the_same_to_the_bit(side: Side, tmp_path: Path) -> None:
    texts = toy(side)
    classifier = train_linear(texts, side, SMALL)
    classifier.save(tmp_path)
    loaded = load_classifier(tmp_path)
    assert loaded.side == side
    assert [score_text(loaded, t.text, t.context) for t in texts] == [
        score_text(classifier, t.text, t.context) for t in texts
    ]


def test_the_same_seed_gives_the_same_classifier() -> None:
    texts = toy("input")
    first, second = (train_linear(texts, "input", SMALL, seed=3) for _ in range(2))
    assert first.response.weight.tobytes() == second.response.weight.tobytes()
    assert first.settings == second.settings


def test_a_word_far_back_no_longer_counts(trained: LinearClassifier) -> None:
    alone = trained.open(())
    after = trained.open(())
    after.push("feed the sourdough " * 20)
    assert after.push("fold the batter now ") <= alone.push("fold the batter now ") + 0.5
    assert after.close() > 0.5


def test_weights_count() -> None:
    doubtful = [TrainText("fold the batter", (), 1.0, weight=9.0), TrainText("fold the batter", (), 0.0)] * 20
    swapped = [TrainText("fold the batter", (), 1.0), TrainText("fold the batter", (), 0.0, weight=9.0)] * 20
    high, low = (score_text(train_linear(t, "input", SMALL), "fold the batter") for t in (doubtful, swapped))
    assert high > 0.7
    assert low < 0.3


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_label_alone_is_nothing_to_learn(label: float) -> None:
    with pytest.raises(UsageError, match="needs harmful and harmless texts"):
        train_linear([TrainText("some text", (), label)] * 4, "input", SMALL)


def test_a_label_outside_its_range_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"a label lies outside \[0, 1\]"):
        train_linear([TrainText("a b", (), 1.5), TrainText("c d", (), 0.0)], "input", SMALL)


def test_a_damaged_file_is_an_artifact_error(trained: LinearClassifier, tmp_path: Path) -> None:
    trained.save(tmp_path)
    model = tmp_path / "model.safetensors"
    model.write_bytes(model.read_bytes()[:1000])
    with pytest.raises(ArtifactError, match=r"model\.safetensors: cannot be read"):
        load_linear(tmp_path)


@pytest.mark.parametrize(
    ("logit", "score"), [(0.0, 0.5), (800.0, 1.0), (-800.0, 0.0), (math.inf, 1.0), (-math.inf, 0.0)]
)
def test_the_sigmoid_does_not_overflow(logit: float, score: float) -> None:
    assert sigmoid(logit) == score


def test_the_sigmoid_of_a_failure_is_a_failure() -> None:
    assert math.isnan(sigmoid(math.nan))
