"""A project from constitution to measured release: configuration, build, evaluation, demonstration."""

from gruyere.pipeline.build import Build, build, current_release
from gruyere.pipeline.operations import (
    EvaluationResult,
    build_project,
    evaluate_project,
    export_examples,
    export_missing,
    import_answers,
    plan_project,
    run_demo,
    stand_in_of,
)
from gruyere.pipeline.project import Project, ProjectConfig, init_project, open_project

__all__ = [
    "Build",
    "EvaluationResult",
    "Project",
    "ProjectConfig",
    "build",
    "build_project",
    "current_release",
    "evaluate_project",
    "export_examples",
    "export_missing",
    "import_answers",
    "init_project",
    "open_project",
    "plan_project",
    "run_demo",
    "stand_in_of",
]
