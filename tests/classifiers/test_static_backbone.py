"""The static classifier: the streaming contract on a tiny random model, and what training learns."""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from gruyere.classifiers.serving.sessions import WordSession, score_text
from gruyere.classifiers.serving.static import Recurrence, StaticClassifier, StaticReader, WordVectors, load_static
from gruyere.classifiers.training.losses import Objective
from gruyere.classifiers.training.static import StaticConfig, TrainedStatic, train_static
from gruyere.classifiers.training.texts import TrainText
from gruyere.values import ArtifactError, Message, Side, UsageError, cut_words

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SMALL = StaticConfig(width=8, window=4, epochs=12, learning_rate=5e-2, dropout=0.0, batch=16)


def tiny_vectors() -> WordVectors:
    """Return a letter-by-letter tokenizer with random vectors of 6 numbers."""
    vocabulary = {"[UNK]": 0} | {letter: n for n, letter in enumerate(LETTERS, start=1)}
    vocabulary |= {"##" + letter: n for n, letter in enumerate(LETTERS, start=len(vocabulary))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    table = np.random.default_rng(1).normal(size=(len(vocabulary), 6)).astype(np.float16)
    return WordVectors(tokenizer, table)


def tiny_texts(side: Side) -> list[TrainText]:
    """Return texts that are harmful where they (or, for an exchange, their context) name the cake."""
    rng = random.Random(3)
    texts = []
    for number in range(60):
        words = [rng.choice(["bread", "tea", "stir", "oven"]) for _ in range(rng.randint(3, 12))]
        harmful = number % 2 == 0
        if harmful and side != "exchange":
            words.insert(rng.randrange(len(words)), "cake cake cake")
        context = (Message(role="user", content="bake a cake" if harmful else "make tea"),)
        texts.append(TrainText(" ".join(words), context if side == "exchange" else (), float(harmful)))
    return texts


def trained(side: Side, config: StaticConfig = SMALL) -> TrainedStatic:
    return train_static(tiny_texts(side), side, config, seed=5, vectors=tiny_vectors())


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Tiny models are slower on several threads, much slower where the cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def exchange() -> StaticClassifier:
    return trained("exchange").classifier


@pytest.mark.parametrize("side", ["input", "output", "exchange"])
def test_training_separates_texts_that_differ(side: Side) -> None:
    texts = tiny_texts(side)
    classifier = trained(side).classifier
    scores = classifier.score_many([t.text for t in texts], [t.context for t in texts])
    harmful = np.array([t.label > 0.5 for t in texts])
    assert scores[harmful].min() > scores[~harmful].max()


@pytest.mark.parametrize("objective", ["token", "cumulative_max", "sliding_softmax"])
def test_every_objective_trains(objective: Objective) -> None:
    classifier = trained("output", SMALL.model_copy(update={"objective": objective})).classifier
    assert classifier.settings.window == (4 if objective == "sliding_softmax" else 1)
    assert score_text(classifier, "stir cake cake cake tea") > score_text(classifier, "stir bread oven tea")


@given(st.text(LETTERS + " \n", max_size=80), st.lists(st.integers(0, 80), max_size=5))
def test_chunks_never_change_a_score_and_it_never_falls(exchange: StaticClassifier, text: str, cuts: list[int]) -> None:
    context = (Message(role="user", content="cake please"),)
    bounds = [0, *sorted(cuts), len(text)]
    session = exchange.open(context)
    scores = [session.push(text[a:b]) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    scores.append(session.close())
    assert scores == sorted(scores)
    assert scores[-1] == score_text(exchange, text, context)
    assert exchange.score_many([text], [context])[0] == pytest.approx(scores[-1], abs=1e-5)


@given(st.text(LETTERS + " ", max_size=60))
def test_score_of_a_prefix_is_the_score_of_that_text(exchange: StaticClassifier, text: str) -> None:
    session = exchange.open(())
    pushed = session.push(text + " ")
    assert pushed == score_text(exchange, text)


def test_any_unicode_is_scored(exchange: StaticClassifier) -> None:
    assert 0.0 <= score_text(exchange, "\ud800 ケーキ 🍰 \x00 é") <= 1.0
    assert score_text(exchange, "") == 0.0


def test_state_is_bounded_and_nothing_but_the_last_words_is_kept(exchange: StaticClassifier) -> None:
    reader = StaticReader(exchange, np.zeros(8, dtype=np.float32))
    for word in cut_words("cake tea " * 500):
        reader.read(word)
    assert len(reader._logits) == exchange.settings.window
    assert reader._state.shape == (8,)
    assert isinstance(exchange.open(()), WordSession)


def test_context_beyond_the_newest_words_is_not_read(exchange: StaticClassifier) -> None:
    newest = " tea" * exchange.settings.context_words
    near, far = (Message(role="user", content=start + newest) for start in ("bread", "cake cake"))
    assert score_text(exchange, "stir", (near,)) == score_text(exchange, "stir", (far,))


def test_saved_and_loaded_scores_the_same(tmp_path: Path) -> None:
    original = trained("input")
    original.save(tmp_path)
    loaded = load_static(tmp_path)
    for text in ("cake cake cake", "bread and tea", ""):
        assert score_text(loaded, text) == pytest.approx(score_text(original.classifier, text), abs=1e-6)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "config.json",
        "model.onnx",
        "model.safetensors",
        "tokenizer.json",
    ]


def test_exported_step_computes_what_serving_does(tmp_path: Path) -> None:
    original = trained("input")
    original.save(tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    vectors = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    state = np.random.default_rng(1).uniform(-1, 1, size=(3, 8)).astype(np.float32)
    after, logit = session.run(None, {"vector": vectors, "state": state})
    recurrence = original.classifier.recurrence
    expected = recurrence.step(recurrence.gates(vectors), state)
    np.testing.assert_allclose(after, expected, atol=1e-5)
    np.testing.assert_allclose(logit, expected @ recurrence.head + recurrence.head_bias, atol=1e-5)


def test_step_is_pytorchs_gru() -> None:
    gru = torch.nn.GRU(6, 8)
    parts = [p.detach().numpy() for p in gru.parameters()]  # input and state weights, then their biases
    recurrence = Recurrence(
        parts[0], np.zeros(24, np.float32), parts[1], parts[2], parts[3], np.zeros(8, np.float32), 0.0
    )
    vectors = torch.randn(5, 6)
    expected = torch.nn.Module.__call__(gru, vectors)[0][-1]
    state = np.zeros(8, dtype=np.float32)
    for vector in vectors.numpy():
        state = recurrence.step(recurrence.gates(vector), state)
    np.testing.assert_allclose(state, expected.detach().numpy(), atol=1e-5)


def test_same_seed_gives_the_same_model_and_leaves_torchs_seed_alone() -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    first, second = (trained("input", SMALL.model_copy(update={"dropout": 0.3, "epochs": 2})) for _ in range(2))
    np.testing.assert_array_equal(first.classifier.recurrence.states, second.classifier.recurrence.states)
    assert torch.equal(before, torch.get_rng_state())


def test_weights_decide_how_often_a_text_is_read() -> None:
    texts = tiny_texts("input")
    heavy = [TrainText(t.text, (), t.label, 50.0 if t.label > 0.5 else 1.0) for t in texts]
    config = SMALL.model_copy(update={"epochs": 1})
    even = train_static(texts, "input", config, seed=5, vectors=tiny_vectors()).classifier
    skewed = train_static(heavy, "input", config, seed=5, vectors=tiny_vectors()).classifier
    assert score_text(skewed, "bread tea") > score_text(even, "bread tea")


def test_one_label_alone_is_refused() -> None:
    with pytest.raises(UsageError, match="needs harmful and harmless texts, got 0 of 1"):
        train_static([TrainText("tea", (), 0.0)], "input", SMALL, vectors=tiny_vectors())


def test_damaged_folder_is_named(tmp_path: Path) -> None:
    trained("input").save(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"cake")
    with pytest.raises(ArtifactError, match="rebuild the release"):
        load_static(tmp_path)


def test_loads_and_scores_where_torch_cannot_be_imported(tmp_path: Path) -> None:
    trained("input").save(tmp_path)
    program = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'onnx', 'wordllama'): sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from gruyere.classifiers.serving.sessions import score_text\n"
        "from gruyere.classifiers.serving.static import load_static\n"
        "print(score_text(load_static(Path(sys.argv[1])), 'cake'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert 0.0 < float(done.stdout) < 1.0


def test_real_embeddings_are_the_known_files() -> None:
    from gruyere.classifiers.training.static import wordllama_vectors

    vectors = wordllama_vectors()
    assert vectors.table.shape == (32000, 256)
    cake, tart, mutex = (vectors.of(word) for word in ("cake", "tart", "mutex"))
    assert cake @ tart / np.linalg.norm(tart) > cake @ mutex / np.linalg.norm(mutex)
