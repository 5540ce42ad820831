"""The model card that every release carries."""

from collections.abc import Mapping, Sequence

from gruyere.pipeline.project import Project
from gruyere.values import Side, Threshold


def model_card(
    project: Project, thresholds: Mapping[Side, Threshold], training_examples: int, known: Sequence[str]
) -> str:
    """Return the card as Markdown: purpose, data, thresholds with their evidence, limits."""
    constitution = project.constitution
    lines = [
        f"# Guard for the constitution “{constitution.title}”",
        "",
        "Classifiers that judge a language model's input, its output, and its output in the light of the conversation.",
        "Load with `gruyere serve --release FOLDER` or `gruyere.classifiers.serving.release.Release.load`.",
        "",
        "## Data",
        "",
        f"{training_examples} training examples, augmentations included, synthesised from {len(constitution.rules)} rules; "
        "splits are by topic. Roles: "
        + ", ".join(f"{name} = {role.backend}" for name, role in project.config.roles.items())
        + ".",
        "",
        f"Transform families seen in training or calibration: {', '.join(known)}. "
        f"Held out: {', '.join(project.config.augmentation.held_out) or 'none'}.",
        "",
        "## Classifiers and thresholds",
        "",
        "| side | classifier | blocks at score |",
        "|---|---|---|",
    ]
    for side, threshold in thresholds.items():
        lines.append(f"| {side} | {project.config.classifiers[side].kind} | {threshold.value:.4f} |")
    first = next(iter(thresholds.values())).calibration
    lines += [
        "",
        f"Together they stopped {first.recall:.1%} of {first.attacks} calibration attacks within these budgets:",
        "",
        "| benign pool | n | blocked | budget | upper 95 % bound |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {p.pool} | {p.n} | {p.blocked} | {p.budget:.2%} | {p.upper:.2%} |" for p in first.pools]
    lines += [
        "",
        "## Limits",
        "",
        "Thresholds hold for traffic like the calibration pools. Recalibrate on your own benign traffic before relying "
        "on them, and expect attacks of families that are neither trained on nor held out above.",
        "",
    ]
    return "\n".join(lines)
