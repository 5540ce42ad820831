"""From a project to a release: synthesise, augment, train, calibrate, bundle. Each step reuses what is unchanged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gruyere.classifiers.serving import current
from gruyere.classifiers.serving.release import MANIFEST, Manifest, load_classifier, verify
from gruyere.classifiers.serving.sessions import Classifier
from gruyere.classifiers.training.calibration import SIDES, BenignPool, calibrate, check_size
from gruyere.classifiers.training.families import train_and_save
from gruyere.classifiers.training.texts import TrainText, text_of
from gruyere.constitution import render
from gruyere.pipeline.augmentation import augment, join_conversations, transformed
from gruyere.pipeline.model_card import model_card
from gruyere.pipeline.project import Project
from gruyere.pipeline.scoring import score_all
from gruyere.store import file_digest, write_json, write_text
from gruyere.synthesis import Ask, Synthesis, Translation, synthesize
from gruyere.transforms import TRANSFORMS, Transform, translation
from gruyere.values import Example, Pool, Side, Threshold, UsageError, digest_of

VERSION = 1
"""Bump when the same inputs would give another release."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Build:
    """A release and the data behind it."""

    release: Path
    synthesis: Synthesis
    fresh: bool
    """Whether anything had to be trained."""


def build(project: Project, ask: Ask, progress: Progress = lambda *_: None) -> Build:
    """Build the project's release, or find it built already.

    Raises:
        UsageError, CalibrationError: If the configuration, the data or a pool has a fault.
        UpstreamError: If a model fails.
    """
    synthesis = synthesize(project.constitution, project.config.synthesis, ask, project.store)
    config = project.config
    key = project.store.key(
        "release",
        VERSION,
        file_digest(synthesis.examples),
        file_digest(synthesis.translations),
        config.augmentation.digest,
        {side: c.digest for side, c in config.classifiers.items()},
        config.calibration.digest,
        config.seed,
    )
    path, fresh = project.store.folder(
        "release", key, lambda folder: _make_release(project, synthesis, folder, progress)
    )
    if not fresh:
        verify(path)
    current.point_to(project.folder, path)
    return Build(path, synthesis, fresh)


def current_release(project: Project) -> Path:
    """Return the folder of the current release.

    Raises:
        UsageError: If nothing was built yet.
    """
    return current.current_release(project.folder)


def registry(translations: Sequence[Translation]) -> dict[str, Transform]:
    """Return all transforms, the one of recorded translations included."""
    table: dict[str, list[tuple[str, str]]] = {}
    for item in translations:
        table.setdefault(item.text, []).append((item.language, item.translated))
    made = translation(table)
    return {**TRANSFORMS, made.name: made}


def of_split(examples: Sequence[Example], split: str) -> list[Example]:
    """Return the examples of one split, order kept."""
    return [e for e in examples if e.split == split]


def train_texts(examples: Sequence[Example], side: Side) -> list[TrainText]:
    """Return what the classifier of one side learns from the examples, with how much each counts."""
    texts = []
    for example in examples:
        read = text_of(example.exchange, side)
        if read is not None:
            label = float(example.label(side) == "harmful")
            texts.append(TrainText(read[0], read[1], label, _weight(example)))
    return texts


def _weight(example: Example) -> float:
    """Half for an augmentation, and half for general traffic: it is plentiful and far from the line."""
    augmented = 0.5 if example.provenance.transforms else 1.0
    return augmented * (0.5 if example.provenance.pool == "general" else 1.0)


def attack_examples(
    examples: Sequence[Example], transforms: Mapping[str, Transform], families: set[str], seed: int
) -> list[Example]:
    """Return harmful exchanges with their answers, plain and under every transform of the families."""
    answered = [e for e in examples if e.provenance.responder == "helpful_only" and not e.multi_turn]
    names = sorted(name for name, t in transforms.items() if t.family in families)
    return answered + [
        made for e in answered for name in names if (made := transformed(e, [name], seed, transforms)) is not None
    ]


def benign_pools(examples: Sequence[Example], seed: int) -> dict[Pool, list[Example]]:
    """Return the benign examples by pool; joined conversations fill the multi-turn pool."""
    benign = [e for e in examples if e.provenance.polarity != "harmful"]
    joined = [e for e in join_conversations(benign, 0.5, seed) if e.exchange.response is not None]
    pools: dict[Pool, list[Example]] = {"general": [], "near_domain": [], "multi_turn": []}
    for example in [*benign, *joined]:
        if example.provenance.pool is not None:
            pools[example.provenance.pool].append(example)
    return pools


def _make_release(project: Project, synthesis: Synthesis, folder: Path, progress: Progress) -> None:
    config = project.config
    examples = synthesis.read_examples()
    transforms = registry(synthesis.read_translations())
    known = known_families(project, transforms)
    _check_pools(project, examples)
    training = augment(of_split(examples, "train"), config.augmentation, config.seed, transforms)
    texts = {side: train_texts(training, side) for side in config.classifiers}
    train_and_save(texts, config.classifiers, folder, seed=config.seed, progress=progress)
    classifiers = {side: load_classifier(folder / side) for side in config.classifiers}
    thresholds = _calibrate(project, classifiers, of_split(examples, "calibration"), transforms, known, progress)
    write_text(folder / "constitution.md", render(project.constitution))
    write_text(folder / "README.md", model_card(project, thresholds, len(training), sorted(known)))
    seal(folder, project, thresholds, sorted(known), file_digest(synthesis.examples))


def _check_pools(project: Project, examples: Sequence[Example]) -> None:
    """Find out before the training, not after it, that a pool is too small for its budget."""
    budgets = project.config.calibration.budgets()
    for name, rows in benign_pools(of_split(examples, "calibration"), project.config.seed).items():
        check_size(name, len(rows), budgets[name])


def known_families(project: Project, transforms: Mapping[str, Transform]) -> set[str]:
    """Return the families that training and calibration may meet.

    Raises:
        UsageError: If a held-out family does not exist.
    """
    families = {t.family for t in transforms.values()}
    held_out = set(project.config.augmentation.held_out)
    if unknown := held_out - families:
        raise UsageError(
            f"[augmentation] held_out: no transform family {sorted(unknown)[0]!r}; known: {', '.join(sorted(families))}"
        )
    return families - held_out


def _calibrate(
    project: Project,
    classifiers: Mapping[Side, Classifier],
    examples: Sequence[Example],
    transforms: Mapping[str, Transform],
    known: set[str],
    progress: Progress,
) -> dict[Side, Threshold]:
    config = project.config
    pools = []
    for name, rows in benign_pools(examples, config.seed).items():
        scores = score_all(
            classifiers,
            [e.exchange for e in rows],
            partial(progress, f"scoring pool {name}"),
        )
        pools.append(BenignPool(name, scores, config.calibration.budgets()[name]))
    attacks = attack_examples(examples, transforms, known, config.seed)
    scored = score_all(classifiers, [e.exchange for e in attacks], partial(progress, "scoring attacks"))
    sides = [side for side in SIDES if side in classifiers]
    return calibrate(pools, scored, sides=sides, margin=config.calibration.margin)


def seal(
    folder: Path, project: Project, thresholds: Mapping[Side, Threshold], known: Sequence[str], data_digest: str
) -> None:
    """Write the manifest: digests of every file, thresholds with their evidence, and a name made from all of it."""
    files = {
        str(path.relative_to(folder)): file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    content = [files, {side: t.model_dump(mode="json") for side, t in thresholds.items()}]
    manifest = Manifest(
        name=f"{project.constitution.title.lower().replace(' ', '-')}-{digest_of(content)[3:15]}",
        constitution_title=project.constitution.title,
        constitution_digest=project.constitution.content.digest,
        data_digest=data_digest,
        held_out_families=project.config.augmentation.held_out,
        known_families=tuple(known),
        thresholds=dict(thresholds),
        files=files,
    )
    write_json(folder / MANIFEST, manifest.model_dump(mode="json"))
