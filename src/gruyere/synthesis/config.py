"""How much is synthesised, and how it is split."""

from pydantic import Field, model_validator

from gruyere.constitution import Category, slug_of
from gruyere.values import Polarity, Pool, UsageError, Value


class Amounts(Value):
    """One number per kind of category."""

    harmful: int = Field(ge=0)
    monitored: int = Field(ge=0)
    near_domain: int = Field(ge=0)
    general: int = Field(ge=0)

    def of(self, polarity: Polarity, *, general: bool) -> int:
        """Return the number for a category of this polarity."""
        match polarity:
            case "harmful":
                return self.harmful
            case "monitored":
                return self.monitored
            case "harmless":
                return self.general if general else self.near_domain


class SplitShares(Value):
    """Shares of topics, per group of topics, that go to training and calibration; the rest is the test."""

    train: float = Field(gt=0, lt=1)
    calibration: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _leaves_a_test(self) -> "SplitShares":
        if self.train + self.calibration >= 1:
            raise ValueError("train + calibration must leave topics for the test; lower one")
        return self


class SynthesisConfig(Value):
    """The `[synthesis]` table of gruyere.toml."""

    general: tuple[str, ...] = ("Everyday use",)
    """Names of harmless categories that stand for general traffic; the other harmless ones are near-domain."""
    topics_per_rule: Amounts = Amounts(harmful=2, monitored=3, near_domain=3, general=12)
    requests_per_topic: Amounts = Amounts(harmful=27, monitored=16, near_domain=22, general=65)
    requests_per_call: int = Field(default=22, ge=1)
    answers_per_topic: Amounts = Amounts(harmful=20, monitored=12, near_domain=12, general=12)
    twins_per_topic: int = Field(default=12, ge=0)
    translations_per_topic: Amounts = Amounts(harmful=4, monitored=2, near_domain=2, general=3)
    conversations: bool = True
    target_traffic: bool = True
    """Whether general requests without a written answer are put to the target, so that benign pools hold what the guarded model really says."""
    target_tokens: int = Field(default=120, ge=1)
    judge: bool = True
    near_duplicate: float = Field(default=0.5, gt=0, le=1)
    """Word-trigram Jaccard similarity at which the later of two requests is dropped."""
    split: SplitShares = SplitShares(train=0.66, calibration=0.12)
    """Shares of the harmful topics."""
    split_near_domain: SplitShares = SplitShares(train=0.5, calibration=0.3)
    """Shares of the other topics near the domain, monitored ones included. The larger a benign calibration
    pool, the more of its false-positive budget the confidence bound lets a threshold use."""
    split_general: SplitShares = SplitShares(train=0.3, calibration=0.46)
    """Shares of general traffic: a budget of 0.5 % takes some 600 exchanges to resolve."""
    seed: int = 0

    def is_general(self, category: Category) -> bool:
        """Whether a category stands for general traffic."""
        return category.polarity == "harmless" and category.slug in {slug_of(name) for name in self.general}

    def pool_of(self, category: Category) -> Pool | None:
        """Return the benign pool that a category's single-turn requests belong to; None for harmful ones."""
        if category.polarity == "harmful":
            return None
        return "general" if self.is_general(category) else "near_domain"

    def check_against(self, categories: tuple[Category, ...]) -> None:
        """Raise UsageError where a name in `general` is no harmless category of the constitution."""
        known = {c.slug for c in categories if c.polarity == "harmless"}
        for name in self.general:
            if slug_of(name) not in known:
                raise UsageError(
                    f"[synthesis] general: no harmless category {name!r} in the constitution; "
                    "name one of its harmless categories"
                )
