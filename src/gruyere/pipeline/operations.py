"""What people do with a project, one function per command."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gruyere.evaluation import Scoreboard
from gruyere.language import (
    BatchRequest,
    Client,
    ImportReport,
    MissingRecordings,
    RoleConfig,
    RoleName,
    StandIn,
    export_batch,
    import_batch,
    open_backend,
    read_requests,
)
from gruyere.pipeline.augmentation import augment
from gruyere.pipeline.build import Build, build, registry
from gruyere.pipeline.evaluate import Measured, measure, scoreboard
from gruyere.pipeline.planning import plan
from gruyere.pipeline.project import FILE, Project, init_project, open_project
from gruyere.pipeline.reporting import render
from gruyere.pipeline.target import stand_in
from gruyere.store import file_digest, read_json, write_json, write_text
from gruyere.synthesis import Synthesis, synthesize
from gruyere.values import Example, UsageError

Progress = Callable[[str, int, int], None]
EVALUATION_VERSION = 1
"""Bump when the same release would be measured differently."""


def open_client(project: Project, progress: Progress = lambda *_: None) -> Client:
    """Return the client of a project's roles; no model is opened before it is asked."""
    return Client(
        project.config.roles,
        project.journal,
        backends=open_backend,
        recordings=[project.recordings],
        progress=progress,
    )


def build_project(project: Project, progress: Progress = lambda *_: None) -> Build:
    """Build the project's release; only what changed is done again."""
    return build(project, open_client(project, progress), progress)


def plan_project(project: Project) -> list[dict[str, object]]:
    """Return what a build would ask of models, stage by stage."""
    return plan(project, open_client(project))


def synthesize_project(project: Project, progress: Progress = lambda *_: None) -> Synthesis:
    """Run the synthesis stages alone."""
    return synthesize(project.constitution, project.config.synthesis, open_client(project, progress), project.store)


def stand_in_of(project: Project) -> StandIn:
    """Return the stand-in model that knows the project's corpus; the synthesis is run where it is missing."""
    synthesis = synthesize_project(project)
    return stand_in(synthesis.read_examples(), synthesis.read_translations())


def export_examples(
    project: Project, file: Path, *, raw: bool, traffic: bool = False, progress: Progress = lambda *_: None
) -> int:
    """Write the project's examples as rows in the form of public data sets; return how many.

    Rows: {"id", "source", "messages", "target", "label", "category"} and, ours, "provenance" and
    "split". `target` names the side that the label judges. An answer of the guarded model is
    traffic, not a written example, and is left out unless `traffic`.
    """
    synthesis = synthesize_project(project, progress)
    examples = synthesis.read_examples()
    if not raw:
        config = project.config
        train = [e for e in examples if e.split == "train"]
        rest = [e for e in examples if e.split != "train"]
        examples = augment(train, config.augmentation, config.seed, registry(synthesis.read_translations())) + rest
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _rows(project, examples, traffic))
    write_text(file, lines)
    return len(examples)


def _rows(project: Project, examples: list[Example], traffic: bool) -> Iterator[dict[str, object]]:
    source = f"gruyere-{project.constitution.title.lower()}"
    for example in examples:
        exchange = example.exchange
        written = exchange.response is not None and (traffic or example.provenance.responder != "target")
        yield {
            "id": example.id,
            "source": source,
            "messages": [m.model_dump(mode="json") for m in (exchange.messages if written else exchange.transcript)],
            "target": "output" if written else "input",
            "label": example.label("output" if written else "input"),
            "category": example.provenance.category,
            "split": example.split,
            "provenance": example.provenance.model_dump(mode="json"),
        }


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """A scoreboard and the report that goes with it."""

    scoreboard: Scoreboard
    report_html: str

    def write_report(self, path: Path) -> None:
        """Write the self-contained HTML report."""
        write_text(path, self.report_html)


def evaluate_project(project: Project, command: str, progress: Progress = lambda *_: None) -> EvaluationResult:
    """Evaluate the project's release, building it first where needed; an evaluation of the same release is reused."""
    made = build_project(project, progress)
    key = project.store.key(
        "evaluation",
        EVALUATION_VERSION,
        file_digest(made.release / "manifest.json"),
        project.config.evaluation.digest,
        project.config.seed,
    )

    def make(folder: Path) -> None:
        measured: Measured = measure(project, made, progress)
        board = scoreboard(measured, command)
        board.write(folder / "scoreboard.json")
        write_text(folder / "report.html", render(project, made, measured, board))
        write_json(folder / "attempts.json", [t.model_dump(mode="json") for t in measured.trials])

    folder, _ = project.store.folder("evaluation", key, make)
    board = Scoreboard.model_validate(read_json(folder / "scoreboard.json"))
    return EvaluationResult(board, (folder / "report.html").read_text("utf-8"))


def run_demo(folder: Path, progress: Progress = lambda *_: None) -> Scoreboard:
    """Build and evaluate the shipped cake project in a folder; write scoreboard.json and report.html there."""
    if not (folder / FILE).exists():
        init_project(folder)
    project = open_project(folder)
    result = evaluate_project(project, "make demo", progress)
    result.scoreboard.write(folder / "scoreboard.json")
    result.write_report(folder / "report.html")
    return result.scoreboard


def export_missing(project: Project, file: Path, model: str) -> int:
    """Write the calls of the first stage that lacks recorded answers as OpenAI Batch input; return how many.

    Raises:
        UsageError: If no role of the project is recorded: then `gruyere build` asks the models itself.
    """
    try:
        synthesize_project(project)
    except MissingRecordings as missing:
        return export_batch(missing.calls, file, model)
    return 0


def import_answers(project: Project, output: Path, asked: Path | None = None) -> ImportReport:
    """Add a batch API's answers to the project's recordings."""
    requests: list[BatchRequest] | None = read_requests(asked) if asked is not None else None
    return import_batch(output, project.recordings, requests)


__all__ = [
    "EvaluationResult",
    "RoleConfig",
    "RoleName",
    "UsageError",
    "build_project",
    "evaluate_project",
    "export_examples",
    "export_missing",
    "import_answers",
    "open_client",
    "plan_project",
    "run_demo",
    "stand_in_of",
    "synthesize_project",
]
