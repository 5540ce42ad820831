"""Write docs/CONFIGURATION.md from the models that gruyere.toml is checked against.

Run `python scripts/configuration_doc.py` after changing a setting; a test compares file and models.
"""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gruyere.classifiers.training.families import EnsembleConfig
from gruyere.classifiers.training.linear import LinearConfig
from gruyere.classifiers.training.minilm import MinilmConfig
from gruyere.classifiers.training.static import StaticConfig
from gruyere.language import LocalRole, ProviderRole, RecordedRole, StandInRole
from gruyere.pipeline.augmentation import AugmentationConfig
from gruyere.pipeline.project import CalibrationConfig, EvaluationConfig, ProjectConfig, shipped_config
from gruyere.synthesis import SynthesisConfig

TARGET = Path(__file__).parents[1] / "docs" / "CONFIGURATION.md"

_HEAD = """\
# Configuration

<!-- Written by scripts/configuration_doc.py from the models that check gruyere.toml. Do not edit by hand. -->

A project is a folder with a `gruyere.toml` and, beside it, a constitution. `gruyere init` writes both. A folder
without `gruyere.toml` is taken for the shipped cake project. Unknown keys and values out of range are errors that
name the key; nothing is built then. Results lie in `.gruyere/` beside the file.

Changing a setting redoes the stages that depend on it and nothing else.
"""

_SECTIONS: tuple[tuple[str, str, tuple[type[BaseModel], ...]], ...] = (
    ("Top level", "Keys before the first table.", (ProjectConfig,)),
    (
        "`[roles.<name>]`",
        "Which model answers for which role: `generator` writes topics, requests and harmless answers, `helpful_only` "
        "writes the answers of the harmful side, `judge` checks labels, `target` is what the guarded model says to "
        "benign traffic; `grader`, `attacker` and `monitor` are reserved. Each table names a `backend`; "
        "keys of providers are read from the environment, as inspect-ai does, and never from this file.",
        (RecordedRole, ProviderRole, LocalRole, StandInRole),
    ),
    ("`[synthesis]`", "How much is written, filtered and split.", (SynthesisConfig,)),
    ("`[augmentation]`", "What training data is made of examples.", (AugmentationConfig,)),
    (
        "`[classifiers.<side>]`",
        "One table per side: `input`, `output`, `exchange`. A side that is left out is not guarded. Each table names a "
        "`kind`. Losses (`objective`): `token` is token-wise cross-entropy, `cumulative_max` the annealed running "
        "maximum, `sliding_softmax` the sliding-window mean weighted by its own softmax.",
        (LinearConfig, StaticConfig, MinilmConfig, EnsembleConfig),
    ),
    ("`[calibration]`", "", (CalibrationConfig,)),
    ("`[evaluation]`", "", (EvaluationConfig,)),
)

_MEANINGS = {
    "constitution": "Name of a shipped constitution, or path of a Markdown file beside gruyere.toml.",
    "backend": "Picks this kind of access.",
    "corpus": "Shipped recordings, by name.",
    "paths": "Files or folders of recordings; what `gruyere batch import` read in is used besides.",
    "model": "Name of the model as inspect-ai has it.",
    "base_url": "Server to ask instead of the provider's own.",
    "max_connections": "Most calls in flight at once.",
    "max_retries": "Attempts after the first one that failed in a passing way.",
    "path": "GGUF file; none takes the packaged model.",
    "threads": "CPU threads for generating.",
    "context": "Longest prompt and answer together, in tokens.",
    "topics_per_rule": "Topics asked for under each rule, by kind of category.",
    "requests_per_topic": "Requests written about each topic.",
    "requests_per_call": "Most requests asked for in one call.",
    "answers_per_topic": "Complete answers written for each topic.",
    "twins_per_topic": "Harmless twins of harmful requests, for each harmful topic.",
    "translations_per_topic": "Requests of each topic that are translated, for the translation transform.",
    "conversations": "Whether a conversation of several turns is written for each topic.",
    "target_tokens": "Longest answer of the target to benign traffic, in tokens.",
    "judge": "Whether a judge checks every label; disagreements are listed and left out.",
    "split": "Shares of topics for training and calibration; the rest is the test. For all but general traffic.",
    "per_harmful": "Augmented copies of each harmful example.",
    "per_harmless": "Augmented copies of each harmless example.",
    "kind": "Picks this family.",
    "objective": "The loss.",
    "epochs": "Passes over the training texts.",
    "learning_rate": "Step size.",
    "head_learning_rate": "Step size of the new layers on top.",
    "batch": "Texts per step.",
    "dropout": "Share of activations dropped in training.",
    "weight_decay": "Decoupled weight decay.",
    "members": "The classifiers, each a table as above.",
    "general": "Largest block rate of general traffic.",
    "near_domain": "Largest block rate of harmless traffic close to the harmful categories.",
    "multi_turn": "Largest block rate of benign conversations of several turns.",
}
"""For settings whose name says it in the code; a text under the field itself comes first."""
_OWN_MEANINGS = {
    ("ProjectConfig", "seed"): "Seed of training and of every choice of augmentations and attacks.",
    ("SynthesisConfig", "seed"): "Seed of the split by topic.",
    ("MinilmConfig", "context"): "Word pieces of the conversation that are read before the response.",
}


def documented(model: type[BaseModel]) -> dict[str, str]:
    """Return the text under each field of a model."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(model)))
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef))
    found = {}
    for field, text in zip(body, body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                found[name] = " ".join(words.split())
    return found


def meaning(model: type[BaseModel], name: str) -> str:
    """Return what a setting means.

    Raises:
        KeyError: If nobody wrote it down.
    """
    own = documented(model).get(name) or _OWN_MEANINGS.get((model.__name__, name))
    return own or _MEANINGS[name]


def shown_type(annotation: Any) -> str:
    """Return a type as a reader of TOML would call it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f'`"{value}"`' for value in inner)
    if origin is tuple:
        return f"list of {shown_type(inner[0])}"
    if origin is dict:
        return "table"
    if origin is Union or (inner and origin is not None and NoneType in inner):
        return " or ".join(shown_type(part) for part in inner if part is not NoneType)
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "table"
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}.get(annotation, "table")


def shown_default(field: FieldInfo) -> str:
    """Return a default in TOML."""
    if field.is_required():
        return "required"
    return f"`{_toml(field.default)}`" if field.default is not None else "none"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, BaseModel):
        return "{ " + ", ".join(f"{name} = {_toml(item)}" for name, item in value) + " }"
    if isinstance(value, dict):
        return "{}"
    return str(value)


def limits(field: FieldInfo) -> str:
    """Return the range of a number, such as `> 0, < 1`."""
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    found = [f"{sign} {getattr(m, name)}" for m in field.metadata for name, sign in signs.items() if hasattr(m, name)]
    return ", ".join(found)


def table(model: type[BaseModel]) -> Iterator[str]:
    """Yield the lines of a model's table; keys that are tables of their own have their own sections."""
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        if model is ProjectConfig and name not in {"constitution", "seed"}:
            continue
        kind = ", ".join(part for part in (shown_type(field.annotation), limits(field)) if part)
        text = meaning(model, name).replace("|", "\\|")
        yield f"| `{name}` | {kind} | {shown_default(field)} | {text} |"


def document() -> str:
    """Return the whole page."""
    lines = [_HEAD]
    for title, text, models in _SECTIONS:
        lines += [f"## {title}", ""]
        lines += [text, ""] if text else []
        for model in models:
            if len(models) > 1:
                lines += [f"### {_name(model)}", "", (model.__doc__ or "").strip().splitlines()[0], ""]
            elif not text:
                lines += [(model.__doc__ or "").strip().splitlines()[0], ""]
            lines += [*table(model), ""]
    lines += ["## The shipped project", "", "```toml", shipped_config().strip(), "```"]
    return "\n".join(lines) + "\n"


def _name(model: type[BaseModel]) -> str:
    for key in ("backend", "kind"):
        if key in model.model_fields:
            return f'`{key} = "{model.model_fields[key].default}"`'
    return model.__name__


def main() -> int:
    """Write the page; with `--check`, only say whether it is up to date."""
    if "--check" in sys.argv[1:]:
        same = TARGET.is_file() and TARGET.read_text("utf-8") == document()
        print("up to date" if same else f"{TARGET.name} is out of date; run scripts/configuration_doc.py")
        return 0 if same else 1
    TARGET.write_text(document(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
