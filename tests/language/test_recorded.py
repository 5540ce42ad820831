"""Recordings and batch files: round trips, foreign lines, damage."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gruyere.language import (
    Call,
    Recording,
    Recordings,
    Reply,
    StopReason,
    UnusableLine,
    export_batch,
    import_batch,
    read_requests,
    shipped_corpora,
)
from gruyere.language.recorded import corpus_folder, from_line, to_line
from gruyere.values import ArtifactError, Message, UsageError


def call(text: str) -> Call:
    return Call(
        role="helpful_only",
        messages=(Message(role="user", content=text),),
        max_tokens=50,
        temperature=0.5,
        stage="exchanges",
        subject=f"about {text}",
    )


def recording(text: str, answer: str = "Yes.") -> Recording:
    return Recording(key=call(text).digest, reply=Reply(text=answer, model="m"), stage="exchanges", subject="s")


def output_line(request: dict[str, Any], answer: str | None = "Yes.", finish: str = "stop") -> dict[str, Any]:
    """What OpenAI writes for a request line: without our metadata, with fields that we do not know."""
    message: dict[str, object] = {"role": "assistant", "content": answer, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "prompt_tokens_details": {}}
    body = {"id": "chatcmpl-1", "model": "some-model", "choices": [choice], "usage": usage}
    response = {"status_code": 200, "request_id": "r", "body": body}
    return {"id": "batch_req_1", "custom_id": request["custom_id"], "response": response, "error": None}


def anthropic_line(custom_id: str, **result: object) -> dict[str, object]:
    return {"custom_id": custom_id, "result": result}


def write(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
STOPS: list[StopReason] = ["stop", "length", "content_filter", "other"]


class TestRecordings:
    @given(text=TEXT, stop=st.sampled_from(STOPS), tokens=st.integers(0, 10**6))
    def test_a_line_reads_back(self, text: str, stop: StopReason, tokens: int) -> None:
        reply = Reply(text=text, model="m", stop_reason=stop, input_tokens=tokens, output_tokens=tokens)
        before = Recording(key=call("a").digest, reply=reply, stage="topics", subject=text)
        assert from_line(json.loads(json.dumps(to_line(before))), "here") == before

    @pytest.mark.parametrize("name", ["plain.jsonl", "packed.jsonl.gz"])
    def test_dump_and_load(self, name: str, tmp_path: Path) -> None:
        Recordings([recording("a", "Crème 🍰\u2028"), recording("b")]).dump(tmp_path / name)
        for path in (tmp_path / name, tmp_path):
            loaded = Recordings.load([path])
            assert len(loaded) == 2
            reply = loaded.get(call("a"))
            assert reply is not None
            assert reply.text == "Crème 🍰\u2028"
            assert loaded.get(call("c")) is None

    def test_equal_recordings_are_equal_bytes(self, tmp_path: Path) -> None:
        for name in ("one.jsonl.gz", "two.jsonl.gz"):
            Recordings([recording("a")]).dump(tmp_path / name)
        assert (tmp_path / "one.jsonl.gz").read_bytes() == (tmp_path / "two.jsonl.gz").read_bytes()

    def test_the_same_answer_twice_is_fine_another_is_not(self, tmp_path: Path) -> None:
        Recordings([recording("a")]).dump(tmp_path / "1.jsonl")
        Recordings([recording("a")]).dump(tmp_path / "2.jsonl")
        assert len(Recordings.load([tmp_path])) == 1
        Recordings([recording("a", "No.")]).dump(tmp_path / "3.jsonl")
        with pytest.raises(ArtifactError, match=r"3\.jsonl:1.*different answer"):
            Recordings.load([tmp_path])

    def test_a_truncated_line_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "r.jsonl"
        Recordings([recording("a"), recording("b")]).dump(path)
        path.write_bytes(path.read_bytes()[:-30])
        with pytest.raises(ArtifactError, match=r"r\.jsonl:2"):
            Recordings.load([path])

    def test_a_damaged_archive_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "r.jsonl.gz"
        path.write_bytes(gzip.compress(b"{}" * 999)[:-9])
        with pytest.raises(ArtifactError, match=r"r\.jsonl\.gz"):
            Recordings.load([path])

    @pytest.mark.parametrize(
        "line", [1, None, [], {}, {"custom_id": 3}, {"custom_id": ""}, {"custom_id": "x", "response": 7}]
    )
    def test_what_is_no_batch_line_is_named(self, line: object, tmp_path: Path) -> None:
        path = tmp_path / "r.jsonl"
        path.write_text(json.dumps(line) + "\n")
        with pytest.raises(ArtifactError, match=r"r\.jsonl:1"):
            Recordings.load([path])

    def test_missing_paths_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(ArtifactError, match="no such file"):
            Recordings.load([tmp_path / "absent.jsonl"])
        with pytest.raises(ArtifactError, match=r"holds no \*\.jsonl"):
            Recordings.load([tmp_path])

    def test_every_shipped_corpus_loads(self) -> None:
        for name in shipped_corpora():
            assert len(Recordings.load([corpus_folder(name)])) > 0

    def test_an_unknown_corpus_is_misuse(self) -> None:
        with pytest.raises(UsageError, match="no shipped recordings 'pie'"):
            corpus_folder("pie")


class TestExport:
    def test_writes_openai_s_form_once_per_call(self, tmp_path: Path) -> None:
        target = tmp_path / "batch.jsonl"
        assert export_batch([call("a"), call("b"), call("a")], target, "some-model") == 2
        assert read(target)[0] == {
            "custom_id": call("a").digest,
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": "some-model",
                "messages": [{"role": "user", "content": "a"}],
                "max_tokens": 50,
                "temperature": 0.5,
            },
            "metadata": {"role": "helpful_only", "stage": "exchanges", "subject": "about a"},
        }


class TestImport:
    def test_round_trip_keeps_what_each_call_is_about(self, tmp_path: Path) -> None:
        batch, own = tmp_path / "batch.jsonl", tmp_path / "own.jsonl"
        export_batch([call("a"), call("b")], batch, "some-model")
        output = write(tmp_path / "output.jsonl", [output_line(line) for line in reversed(read(batch))])
        report = import_batch(output, own, read_requests(batch))
        assert (report.imported, report.already, report.failed, report.unknown) == (2, 0, (), ())
        loaded = Recordings.load([own])
        assert loaded.get(call("a")) == Reply(text="Yes.", model="some-model", input_tokens=5, output_tokens=2)
        assert {r.subject for r in loaded} == {"about a", "about b"}
        assert import_batch(output, own, read_requests(batch)).already == 2

    def test_failures_are_listed_and_stay_missing(self, tmp_path: Path) -> None:
        batch, own = tmp_path / "batch.jsonl", tmp_path / "own.jsonl"
        export_batch([call(name) for name in "abcdef"], batch, "some-model")
        lines = [output_line(line) for line in read(batch)]
        lines[0]["response"]["status_code"] = 500
        lines[1] = {"custom_id": lines[1]["custom_id"], "response": None, "error": {"code": "batch_expired"}}
        lines[2]["response"]["body"]["choices"][0]["message"] = {"content": None, "refusal": "I would rather not."}
        lines[3]["response"]["body"] = {"choices": []}
        lines[4]["response"]["body"]["choices"][0]["finish_reason"] = "length"
        stranger = output_line({"custom_id": call("stranger").digest})
        report = import_batch(write(tmp_path / "o.jsonl", [*lines, stranger]), own, read_requests(batch))
        assert (report.imported, report.truncated) == (2, 1)
        reasons = [failure.reason for failure in report.failed]
        assert [failure.key for failure in report.failed] == [call(name).digest for name in "abcd"]
        assert "500" in reasons[0]
        assert "batch_expired" in reasons[1]
        assert reasons[2] == "I would rather not."
        assert report.unknown == (call("stranger").digest,)
        assert len(Recordings.load([own])) == 2

    def test_a_damaged_file_changes_nothing(self, tmp_path: Path) -> None:
        own = tmp_path / "own.jsonl"
        Recordings([recording("a")]).dump(own)
        before = own.read_bytes()
        output = write(tmp_path / "o.jsonl", [output_line({"custom_id": call("b").digest})])
        output.write_text(output.read_text() + '{"custom_id": "v1-')
        with pytest.raises(ArtifactError, match=r"o\.jsonl:2"):
            import_batch(output, own)
        assert own.read_bytes() == before

    def test_another_answer_to_a_recorded_call_is_refused(self, tmp_path: Path) -> None:
        own = tmp_path / "own.jsonl"
        Recordings([recording("a", "No.")]).dump(own)
        output = write(tmp_path / "o.jsonl", [output_line({"custom_id": call("a").digest})])
        with pytest.raises(ArtifactError, match=r"o\.jsonl.*different answer"):
            import_batch(output, own)

    def test_an_empty_file_is_misuse(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no batch output lines"):
            import_batch(write(tmp_path / "o.jsonl", []), tmp_path / "own.jsonl")

    def test_reads_anthropic_s_results(self, tmp_path: Path) -> None:
        content = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Yes."}]
        usage = {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 0}
        message = {"id": "msg", "model": "claude", "content": content, "stop_reason": "end_turn", "usage": usage}
        lines = [
            anthropic_line(call("a").digest[3:], type="succeeded", message=message),  # ids end at 64 characters there
            anthropic_line(call("b").digest, type="errored", error={"type": "overloaded_error"}),
            anthropic_line(call("c").digest, type="expired"),
        ]
        report = import_batch(write(tmp_path / "o.jsonl", lines), tmp_path / "own.jsonl")
        assert report.imported == 1
        assert [failure.key for failure in report.failed] == [call("b").digest, call("c").digest]
        reply = Recordings.load([tmp_path / "own.jsonl"]).get(call("a"))
        assert reply == Reply(text="Yes.", model="claude", input_tokens=5, output_tokens=2)

    def test_a_malformed_anthropic_line_is_named(self, tmp_path: Path) -> None:
        output = write(tmp_path / "o.jsonl", [anthropic_line("x", message=3)])
        with pytest.raises(ArtifactError, match=r"o\.jsonl:1.*result\.type"):
            import_batch(output, tmp_path / "own.jsonl")

    def test_an_unusable_line_says_why(self) -> None:
        line = output_line({"custom_id": "x"}, answer="", finish="content_filter")
        assert from_line(line, "here") == UnusableLine(key="x", reason="empty answer, ended with 'content_filter'")
