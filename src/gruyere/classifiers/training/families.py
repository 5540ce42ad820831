"""Train a classifier of any family by its configuration, and save it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal, assert_never

from pydantic import Field, model_validator

from gruyere.classifiers.serving.ensemble import EnsembleSettings
from gruyere.classifiers.training.linear import LinearConfig, train_linear
from gruyere.classifiers.training.minilm import MinilmConfig, train_minilm
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


def train_and_save(
    texts: Sequence[TrainText],
    side: Side,
    config: LinearConfig | StaticConfig | MinilmConfig | EnsembleConfig,
    folder: Path,
    *,
    seed: int,
    progress: Progress,
) -> None:
    """Train a classifier of one side and write it to a folder that `load_classifier` reads."""
    match config:
        case LinearConfig():
            train_linear(texts, side, config, seed, progress).save(folder)
        case StaticConfig():
            train_static(texts, side, config, seed, progress).save(folder)
        case MinilmConfig():
            train_minilm(texts, side, config, seed, progress).save(folder)
        case EnsembleConfig():
            names = tuple(f"{n}-{member.kind}" for n, member in enumerate(config.members))
            for name, member in zip(names, config.members, strict=True):
                train_and_save(texts, side, member, folder / name, seed=seed, progress=progress)
            weights = config.weights or tuple(1 / len(names) for _ in names)
            settings = EnsembleSettings(side=side, members=names, weights=weights)
            write_json(folder / "config.json", settings.model_dump(mode="json"))
        case _:
            assert_never(config)
