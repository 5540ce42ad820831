"""A release on disk: whole and unaltered, or refused by file name; ensembles by their members."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gruyere.classifiers.serving.ensemble import EnsembleClassifier, EnsembleSettings, logit
from gruyere.classifiers.serving.features import BUCKETS
from gruyere.classifiers.serving.linear import LinearClassifier, LinearSettings, Table
from gruyere.classifiers.serving.release import MANIFEST, Manifest, Release, load_classifier, read_manifest
from gruyere.classifiers.serving.sessions import score_text
from gruyere.classifiers.training.families import EnsembleConfig, train_and_save
from gruyere.classifiers.training.linear import LinearConfig
from gruyere.classifiers.training.texts import TrainText
from gruyere.store import file_digest, write_json
from gruyere.values import ArtifactError, Calibration, Side, Threshold, UsageError

SHORT = LinearConfig(epochs=2, window=4, kappa=10.0)
TEXTS = [TrainText("bake the cake", (), 1.0), TrainText("boil the rice", (), 0.0)] * 8


def linear(side: Side, seed: int, bias: float = 0.0) -> LinearClassifier:
    """Return a linear classifier with weights drawn at random."""
    rng = np.random.default_rng(seed)
    table = Table(rng.normal(0, 1, BUCKETS).astype(np.float32), np.ones(BUCKETS, dtype=np.float32))
    return LinearClassifier(LinearSettings(side=side, window=8, kappa=5.0, bias=bias), table, None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a release of an input and an output classifier, as the pipeline seals it."""
    root = tmp_path / "release"
    record = Calibration(pools=(), recall=1.0, attacks=0, data_digest="v1-0")
    sides: tuple[Side, ...] = ("input", "output")
    for number, side in enumerate(sides):
        linear(side, number).save(root / side)
    (root / "README.md").write_text("a card", "utf-8")
    files = {str(p.relative_to(root)): file_digest(p) for p in sorted(root.rglob("*")) if p.is_file()}
    manifest = Manifest(
        name="cake-1",
        constitution_title="Cake",
        constitution_digest="v1-0",
        data_digest="v1-0",
        held_out_families=("cipher",),
        known_families=("roleplay",),
        thresholds={side: Threshold(side=side, value=0.5, calibration=record) for side in sides},
        files=files,
    )
    write_json(root / MANIFEST, manifest.model_dump(mode="json"))
    return root


def test_a_whole_release_loads_wherever_it_lies(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    shutil.rmtree(folder)
    release = Release.load(moved)
    assert release.name == "cake-1"
    assert set(release.classifiers) == set(release.thresholds) == {"input", "output"}
    assert score_text(release.classifiers["input"], "bake a cake") == score_text(linear("input", 0), "bake a cake")


def flip(path: Path) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: flip(root / "output" / "model.safetensors"), r"output/model\.safetensors: digest mismatch"),
        (lambda root: flip(root / "README.md"), r"README\.md: digest mismatch"),
        (lambda root: (root / "input" / "config.json").unlink(), r"input/config\.json: missing from the release"),
        (
            lambda root: (root / "input" / "extra.bin").write_text("x"),
            r"input/extra\.bin: not listed in manifest\.json",
        ),
    ],
)
def test_a_changed_file_is_refused_by_name(folder: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(folder)
    with pytest.raises(ArtifactError, match=message):
        Release.load(folder)


def test_a_folder_without_a_manifest_is_no_release(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no release here .* build one with `gruyere build`"):
        read_manifest(tmp_path)


def test_a_manifest_of_another_form_is_refused_by_field(folder: Path) -> None:
    content = json.loads((folder / MANIFEST).read_text("utf-8"))
    write_json(folder / MANIFEST, content | {"colour": "yellow"})
    with pytest.raises(ArtifactError, match=r"manifest\.json: colour: Extra inputs"):
        Release.load(folder)
    (folder / MANIFEST).write_text("{", "utf-8")
    with pytest.raises(ArtifactError, match="not valid JSON"):
        Release.load(folder)


def test_a_classifier_of_the_wrong_side_is_refused(folder: Path) -> None:
    content = json.loads((folder / MANIFEST).read_text("utf-8"))
    shutil.rmtree(folder / "output")
    linear("input", 1).save(folder / "output")
    content["files"] |= {
        f"output/{name}": file_digest(folder / "output" / name) for name in ("config.json", "model.safetensors")
    }
    write_json(folder / MANIFEST, content)
    with pytest.raises(ArtifactError, match="holds a classifier of the input side"):
        Release.load(folder)


def test_an_unknown_family_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {"kind": "oracle"})
    with pytest.raises(ArtifactError, match=r"unknown kind 'oracle'; this version knows linear"):
        load_classifier(tmp_path)


def test_an_ensemble_sums_weighted_logits() -> None:
    members = (linear("output", 1, -1.0), linear("output", 2, 1.0))
    settings = EnsembleSettings(side="output", members=("a", "b"), weights=(0.7, 0.3), bias=0.25)
    ensemble = EnsembleClassifier(settings, members)
    text = "fold the flour into the eggs and bake"
    first, second = (logit(score_text(m, text)) for m in members)
    expected = 1 / (1 + math.exp(-(0.7 * first + 0.3 * second + 0.25)))
    assert score_text(ensemble, text) == pytest.approx(expected)
    assert ensemble.side == "output"


def test_an_ensemble_does_not_hide_a_failing_member() -> None:
    broken = LinearClassifier(
        LinearSettings(side="output", window=8, kappa=5.0, bias=0.0),
        Table(np.full(BUCKETS, np.nan, dtype=np.float32), np.ones(BUCKETS, dtype=np.float32)),
        None,
    )
    settings = EnsembleSettings(side="output", members=("a", "b"), weights=(0.5, 0.5))
    assert math.isnan(score_text(EnsembleClassifier(settings, (linear("output", 1), broken)), "one two three"))


def test_a_trained_ensemble_is_saved_with_its_members(tmp_path: Path) -> None:
    config = EnsembleConfig(members=(SHORT, SHORT.model_copy(update={"window": 2})), weights=(2.0, 1.0))
    train_and_save({"input": TEXTS}, {"input": config}, tmp_path, seed=0, progress=lambda *_: None)
    loaded = load_classifier(tmp_path / "input")
    assert isinstance(loaded, EnsembleClassifier)
    assert loaded.settings.weights == (2.0, 1.0)
    assert score_text(loaded, "bake the cake") > score_text(loaded, "boil the rice")


def test_weights_must_fit_the_members() -> None:
    with pytest.raises(ValueError, match="3 weights for 1 members"):
        EnsembleConfig(members=(SHORT,), weights=(1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="would let a score fall"):
        EnsembleConfig(members=(SHORT,), weights=(-1.0,))
