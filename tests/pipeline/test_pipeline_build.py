"""From a project to a release, and what a second build or an edited sentence changes."""

import shutil
from pathlib import Path

import pytest
from tiny_project import CONFIG, CONSTITUTION, TOPICS, Remembering, Writer, make_project

from gruyere.classifiers.serving.release import Release, read_manifest
from gruyere.language import MissingRecordings
from gruyere.pipeline import (
    Build,
    Project,
    build,
    build_project,
    current_release,
    export_examples,
    export_missing,
    open_project,
)
from gruyere.pipeline.build import attack_examples, benign_pools, of_split, registry, train_texts
from gruyere.store import read_json_lines
from gruyere.values import ArtifactError, CalibrationError, UsageError

RULE = "- Thermometer readings and cooling steps that finish a cake."
REWORDED = "- Thermometer readings that tell when a cake is done."
EDITED = CONSTITUTION.replace("Amounts of leaves for a cup.", "Amounts of leaves for a big pot.")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Build, Remembering]:
    """Build the tiny project once."""
    project, writer = make_project(tmp_path_factory.mktemp("tiny")), Remembering()
    return project, build(project, writer), writer


def test_a_release_holds_its_evidence(tiny: tuple[Project, Build, Remembering]) -> None:
    project, made, _ = tiny
    assert made.fresh
    release = Release.load(current_release(project))
    assert release.folder == made.release
    manifest = release.manifest
    assert set(release.classifiers) == {"input", "output"}
    assert manifest.constitution_digest == project.constitution.content.digest
    assert manifest.held_out_families == ("cipher", "fiction")
    assert not set(manifest.known_families) & {"cipher", "fiction"}
    records = manifest.thresholds["input"].calibration.pools
    assert {r.pool for r in records} == {"general", "near_domain", "multi_turn"}
    assert all(r.upper <= r.budget for r in records)
    assert manifest.thresholds["input"].calibration.attacks > 0
    assert {"README.md", "constitution.md", "input/config.json"} <= set(manifest.files)
    card = (made.release / "README.md").read_text("utf-8")
    assert "| input | linear |" in card
    assert "Held out: cipher, fiction." in card


def test_a_second_build_does_nothing(tiny: tuple[Project, Build, Remembering]) -> None:
    project, made, _ = tiny
    steps: list[str] = []
    writer = Writer()
    again = build(project, writer, lambda *step: steps.append(step[0]))
    assert not again.fresh
    assert again.release == made.release
    assert not steps
    assert not writer.asked


def test_a_second_build_of_the_shipped_corpus_does_nothing(small_project: Project, small_build: Build) -> None:
    steps: list[str] = []
    again = build_project(small_project, lambda *step: steps.append(step[0]))
    assert (again.release, again.fresh, steps) == (small_build.release, False, [])


def test_the_same_inputs_give_the_same_release_elsewhere(
    tiny: tuple[Project, Build, Remembering], tmp_path: Path
) -> None:
    other = build(make_project(tmp_path), Writer())
    assert read_manifest(other.release) == read_manifest(tiny[1].release)


def test_editing_a_sentence_asks_only_what_it_fed_and_changes_the_release(
    tiny: tuple[Project, Build, Remembering], tmp_path: Path
) -> None:
    shutil.copytree(tiny[0].folder, tmp_path / ".gruyere")
    writer = Remembering()
    build(make_project(tmp_path / "unused"), writer)
    writer.asked.clear()
    writer.subjects.clear()
    project = make_project(tmp_path, EDITED)
    edited = build(project, writer)
    assert edited.fresh
    assert read_manifest(edited.release).name != read_manifest(tiny[1].release).name
    assert current_release(project) == edited.release
    # One rule of four: one call for its topics; one per topic for requests, twins, conversations and labels.
    assert writer.asked == {
        "topics": 1,
        "requests": TOPICS,
        "answers": 3 * TOPICS,
        "twins": TOPICS,
        "translations": TOPICS,
        "conversations": TOPICS,
        "judge": TOPICS,
        "traffic": 0,
    }
    changed = {r.id for _, r in project.constitution.rules} - {r.id for _, r in tiny[0].constitution.rules}
    assert len(changed) == 1
    assert all(subject.startswith(next(iter(changed))) for subject in writer.subjects)
    # Put back, the sentence finds its release where it was.
    back = build(make_project(tmp_path), Writer())
    assert not back.fresh
    assert current_release(project) == back.release


def test_a_reworded_rule_of_a_recorded_project_names_its_missing_calls(
    small_project: Project, small_build: Build, small_config: str, tmp_path: Path
) -> None:
    shutil.copytree(small_project.folder, tmp_path / ".gruyere")  # the built project stays as it is
    shipped = (small_build.release / "constitution.md").read_text("utf-8")
    assert RULE in shipped
    (tmp_path / "constitution.md").write_text(shipped.replace(RULE, REWORDED), "utf-8")
    (tmp_path / "gruyere.toml").write_text(
        small_config.replace('constitution = "cake"', 'constitution = "constitution.md"'), "utf-8"
    )
    project = open_project(tmp_path)
    new = {r.id for _, r in project.constitution.rules} - {r.id for _, r in small_project.constitution.rules}
    before = current_release(project)
    with pytest.raises(MissingRecordings, match="stage 'topics': 1 calls have no recorded answer") as missing:
        build_project(project)
    assert [call.subject for call in missing.value.calls] == list(new)
    assert REWORDED.removeprefix("- ") in missing.value.calls[0].messages[-1].content
    assert current_release(project) == before
    batch = tmp_path / "batch.jsonl"
    assert export_missing(project, batch, "some-model") == 1
    assert len(list(read_json_lines(batch))) == 1


def test_an_untouched_copy_of_the_constitution_misses_nothing(
    small_project: Project, small_build: Build, small_config: str, tmp_path: Path
) -> None:
    shutil.copytree(small_project.folder, tmp_path / ".gruyere")
    shutil.copy(small_build.release / "constitution.md", tmp_path / "constitution.md")
    (tmp_path / "gruyere.toml").write_text(
        small_config.replace('constitution = "cake"', 'constitution = "constitution.md"'), "utf-8"
    )
    assert not build_project(open_project(tmp_path)).fresh
    assert export_missing(open_project(tmp_path), tmp_path / "batch.jsonl", "some-model") == 0
    assert not (tmp_path / "batch.jsonl").exists()


@pytest.mark.parametrize(
    ("before", "after", "error", "message"),
    [
        ('"cipher", "fiction"', '"cypher"', UsageError, "held_out: no transform family 'cypher'; known: cipher"),
        ("near_domain = 0.4", "near_domain = 0.01", CalibrationError, "pool 'near_domain': .* need 299"),
    ],
)
def test_a_fault_stops_the_build_and_leaves_nothing_half_made(
    tmp_path: Path, before: str, after: str, error: type[Exception], message: str
) -> None:
    project = make_project(tmp_path, config=CONFIG.replace(before, after))
    with pytest.raises(error, match=message):
        build(project, Writer())
    assert not list((project.folder / "artifacts" / "release").glob("*"))
    with pytest.raises(UsageError, match="no release yet; run `gruyere build`"):
        current_release(project)


def test_a_release_that_was_altered_is_not_reused(tiny: tuple[Project, Build, Remembering], tmp_path: Path) -> None:
    shutil.copytree(tiny[0].folder, tmp_path / ".gruyere")
    project = make_project(tmp_path)
    (current_release(project) / "README.md").write_text("better than it is", "utf-8")
    with pytest.raises(ArtifactError, match=r"README\.md: digest mismatch"):
        build(project, Writer())


def test_every_side_learns_from_its_own_label(tiny: tuple[Project, Build, Remembering]) -> None:
    examples = of_split(tiny[1].synthesis.read_examples(), "train")
    requests = train_texts(examples, "input")
    answers = train_texts(examples, "output")
    exchanges = train_texts(examples, "exchange")
    assert len(requests) == len(examples)
    assert len(answers) == len(exchanges) == sum(e.exchange.response is not None for e in examples)
    assert all(t.context == () for t in answers)
    assert all(t.context for t in exchanges)
    assert {t.label for t in answers} == {0.0, 1.0}
    assert sum(t.label for t in requests) == sum(e.provenance.polarity == "harmful" for e in examples)


def test_benign_pools_hold_no_harmful_example(tiny: tuple[Project, Build, Remembering]) -> None:
    pools = benign_pools(tiny[1].synthesis.read_examples(), seed=0)
    assert all(e.provenance.polarity != "harmful" for rows in pools.values() for e in rows)
    assert {p: {e.provenance.pool for e in rows} for p, rows in pools.items()} == {p: {p} for p in pools}
    assert all(e.multi_turn and e.exchange.response for e in pools["multi_turn"])
    assert any(e.provenance.transforms == ("joined",) for e in pools["multi_turn"])


def test_attacks_keep_to_the_families_they_may_use(tiny: tuple[Project, Build, Remembering]) -> None:
    synthesis = tiny[1].synthesis
    transforms = registry(synthesis.read_translations())
    attacks = attack_examples(synthesis.read_examples(), transforms, {"encoding", "translation"}, seed=0)
    used = [t for e in attacks for t in e.provenance.transforms]
    assert {transforms[name].family for name in used} == {"encoding", "translation"}
    assert all(e.label("output") == "harmful" for e in attacks)
    plain = [e for e in attacks if not e.provenance.transforms]
    assert len({e.id for e in plain}) == len(plain) > 0


def test_exported_rows_say_what_the_label_judges(small_project: Project, small_build: Build, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    count = export_examples(small_project, file, raw=True)
    rows = [row for _, row in read_json_lines(file)]
    assert len(rows) == count == len(small_build.synthesis.read_examples())
    for row in rows:
        assert isinstance(row, dict)
        assert {"id", "source", "messages", "target", "label", "category", "split", "provenance"} == set(row)
        assert row["target"] == ("output" if row["messages"][-1]["role"] == "assistant" else "input")
