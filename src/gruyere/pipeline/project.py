"""A project: gruyere.toml, the constitution it names, and the folder that holds what was made from it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pydantic import Field, ValidationError

from gruyere.classifiers.training.families import ClassifierConfig
from gruyere.constitution import Constitution, load
from gruyere.language import RoleConfig, RoleName
from gruyere.pipeline.augmentation import AugmentationConfig
from gruyere.store import Store, write_text
from gruyere.synthesis import SynthesisConfig
from gruyere.values import Pool, Side, UsageError, Value

FILE = "gruyere.toml"
FOLDER = ".gruyere"
DEFAULT = "cake"


class CalibrationConfig(Value):
    """The `[calibration]` table: budgets are largest tolerated block rates, fractions in (0, 1)."""

    general: float = Field(default=0.005, gt=0, lt=1)
    near_domain: float = Field(default=0.02, gt=0, lt=1)
    multi_turn: float = Field(default=0.02, gt=0, lt=1)
    margin: float = Field(default=0.25, ge=0, le=1)
    """Where in the gap between tolerated benign and stopped attack a threshold stands."""

    def budgets(self) -> Mapping[Pool, float]:
        """Return the budget of each pool."""
        return {"general": self.general, "near_domain": self.near_domain, "multi_turn": self.multi_turn}


class EvaluationConfig(Value):
    """The `[evaluation]` table."""

    attacks_per_question: int = Field(default=0, ge=0)
    """Attacks drawn for each test question, besides the plain one; 0 tries all."""
    local_requests: int = Field(default=24, ge=0)
    """Requests put to the real local model behind the guard; 0 leaves that part out."""


class ProjectConfig(Value):
    """All of gruyere.toml; unknown keys are errors."""

    constitution: str = DEFAULT
    seed: int = 0
    roles: dict[RoleName, RoleConfig]
    synthesis: SynthesisConfig = SynthesisConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    classifiers: dict[Side, ClassifierConfig] = Field(min_length=1)
    calibration: CalibrationConfig = CalibrationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()


@dataclass(frozen=True, slots=True)
class Project:
    """A checked configuration and its place on disk."""

    config: ProjectConfig
    constitution: Constitution
    folder: Path
    """Where artifacts, journals and releases lie: `.gruyere` beside the configuration."""

    @property
    def store(self) -> Store:
        """The project's artifacts."""
        return Store(self.folder / "artifacts")

    @property
    def releases(self) -> Path:
        """The folder of releases and of the pointer to the current one."""
        return self.folder / "releases"

    @property
    def journal(self) -> Path:
        """Finished calls to language models."""
        return self.folder / "journal.jsonl"

    @property
    def recordings(self) -> Path:
        """Answers brought in with `gruyere batch import`."""
        return self.folder / "recordings.jsonl"


def shipped_config(name: str = DEFAULT) -> str:
    """Return the text of a shipped gruyere.toml.

    Raises:
        UsageError: If none is shipped under this name.
    """
    path = resources.files("gruyere.pipeline") / "shipped" / f"{name}.toml"
    if not path.is_file():
        raise UsageError(f"no shipped project {name!r}; shipped: {DEFAULT}")
    return path.read_text("utf-8")


def parse_config(text: str, source: str) -> ProjectConfig:
    """Check a configuration.

    Raises:
        UsageError: Naming file and field of the first fault, and how many more there are.
    """
    try:
        return ProjectConfig.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{source}: not valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        hint = "; remove or rename the key" if first["type"] == "extra_forbidden" else ""
        raise UsageError(f"{source}: {where}: {first['msg']}{hint}{more}") from None


def open_project(folder: Path | None = None) -> Project:
    """Open the project of a folder; without a gruyere.toml there, the shipped cake project.

    Raises:
        UsageError: If the configuration or the constitution has a fault.
    """
    root = folder or Path.cwd()
    path = root / FILE
    if path.is_file():
        config = parse_config(path.read_text("utf-8"), str(path))
    elif folder is not None and not root.is_dir():
        raise UsageError(f"{root}: no such folder; make one with `gruyere init {root}`")
    else:
        config = parse_config(shipped_config(), f"{DEFAULT}.toml")
    named = root / config.constitution
    constitution = load(str(named) if named.is_file() else config.constitution)
    return Project(config, constitution, root / FOLDER)


def init_project(folder: Path, constitution: str = DEFAULT) -> list[Path]:
    """Write a gruyere.toml and a copy of the shipped constitution to start from.

    Raises:
        UsageError: If no such constitution is shipped, or either file exists already.
    """
    shipped = resources.files("gruyere.constitution") / "shipped"
    if f"{constitution}.md" not in {path.name for path in shipped.iterdir()}:
        names = sorted(path.name.removesuffix(".md") for path in shipped.iterdir() if path.name.endswith(".md"))
        raise UsageError(f"no shipped constitution {constitution!r}; shipped: {', '.join(names)}")
    text = (shipped / f"{constitution}.md").read_text("utf-8")
    files = {
        folder / "constitution.md": text,
        folder / FILE: shipped_config().replace(f'constitution = "{DEFAULT}"', 'constitution = "constitution.md"'),
    }
    for path in files:
        if path.exists():
            raise UsageError(f"{path}: exists already; choose another folder or remove it")
    for path, content in files.items():
        write_text(path, content)
    return list(files)
