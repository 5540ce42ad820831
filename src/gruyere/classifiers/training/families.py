"""Train a classifier of any family by its configuration, and save it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, assert_never

from pydantic import Field, model_validator

from gruyere.classifiers.serving.ensemble import EnsembleSettings
from gruyere.classifiers.training.linear import LinearConfig, train_linear
from gruyere.classifiers.training.minilm import MinilmConfig, TrainedMinilm, train_minilm
from gruyere.classifiers.training.static import StaticConfig, train_static
from gruyere.classifiers.training.texts import TrainText
from gruyere.store import write_json
from gruyere.values import Side, Value

Progress = Callable[[str, int, int], None]
"""Called with what is being done, steps done and steps in all."""

BackboneConfig = Annotated[LinearConfig | StaticConfig | MinilmConfig, Field(discriminator="kind")]


class EnsembleConfig(Value):
    """Several backbones of one side, their logits weighted and summed."""

    kind: Literal["ensemble"] = "ensemble"
    members: tuple[BackboneConfig, ...] = Field(min_length=1)
    weights: tuple[float, ...] = ()
    """Not negative; equal ones that sum to 1 where left out."""

    @model_validator(mode="after")
    def _weights_fit(self) -> "EnsembleConfig":
        if self.weights and len(self.weights) != len(self.members):
            raise ValueError(f"{len(self.weights)} weights for {len(self.members)} members; give one each")
        if any(w < 0 for w in self.weights):
            raise ValueError("a weight is negative, which would let a score fall; use zero or more")
        return self


ClassifierConfig = Annotated[LinearConfig | StaticConfig | MinilmConfig | EnsembleConfig, Field(discriminator="kind")]


AnyConfig = LinearConfig | StaticConfig | MinilmConfig | EnsembleConfig


def train_and_save(
    texts: Mapping[Side, Sequence[TrainText]],
    configs: Mapping[Side, AnyConfig],
    folder: Path,
    *,
    seed: int,
    progress: Progress,
) -> None:
    """Train a classifier for each side and write it to `folder/<side>`, which `load_classifier` reads.

    Sides whose MiniLM configurations are equal share one fine-tuned encoder.

    Raises:
        UsageError: If a side lacks one of the two labels.
    """
    encoders: dict[str, TrainedMinilm] = {}
    for encoder in _encoders_of(configs.values()):
        mine = {side: texts[side] for side, config in configs.items() if encoder in _encoders_of([config])}
        encoders[encoder.digest] = train_minilm(mine, encoder, seed, progress)
    for side, config in configs.items():
        _save(texts[side], side, config, folder / side, encoders, seed, progress)


def _encoders_of(configs: Iterable[AnyConfig]) -> list[MinilmConfig]:
    """Return the distinct MiniLM configurations in these, ensembles' members included."""
    parts = [m for c in configs for m in (c.members if isinstance(c, EnsembleConfig) else (c,))]
    return list({part.digest: part for part in parts if isinstance(part, MinilmConfig)}.values())


def _save(
    texts: Sequence[TrainText],
    side: Side,
    config: AnyConfig,
    folder: Path,
    encoders: Mapping[str, TrainedMinilm],
    seed: int,
    progress: Progress,
) -> None:
    match config:
        case LinearConfig():
            train_linear(texts, side, config, seed, progress).save(folder)
        case StaticConfig():
            train_static(texts, side, config, seed, progress).save(folder)
        case MinilmConfig():
            encoders[config.digest].save(folder, side)
        case EnsembleConfig():
            names = tuple(f"{n}-{member.kind}" for n, member in enumerate(config.members))
            for name, member in zip(names, config.members, strict=True):
                _save(texts, side, member, folder / name, encoders, seed, progress)
            weights = config.weights or tuple(1 / len(names) for _ in names)
            settings = EnsembleSettings(side=side, members=names, weights=weights)
            write_json(folder / "config.json", settings.model_dump(mode="json"))
        case _:
            assert_never(config)
