"""The client over real HTTP: dispatch, journal, resuming, errors, plans. The servers misbehave on cue."""

import json
from pathlib import Path

import pytest
from scripted_server import Answer, Fail, Raw, ScriptedServer, Stall, Step

from gruyere.language import (
    Call,
    Client,
    MissingRecordings,
    ProviderRole,
    RecordedRole,
    Recording,
    Recordings,
    Reply,
    RoleName,
)
from gruyere.values import ArtifactError, Message, UpstreamError, UsageError

# inspect-ai itself still calls tenacity's wait_exponential_jitter by an argument name that tenacity renamed.
pytestmark = pytest.mark.filterwarnings("ignore:The 'initial' parameter is deprecated:DeprecationWarning")

MODELS = ("openai/gpt-4o", "anthropic/claude-scripted")
STAGE = "requests"


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in ("OPENAI", "ANTHROPIC"):
        monkeypatch.setenv(f"{provider}_API_KEY", "none")


def call(text: str, role: RoleName = "generator", max_tokens: int = 64) -> Call:
    messages = (Message(role="system", content="Be brief."), Message(role="user", content=text))
    return Call(role=role, messages=messages, max_tokens=max_tokens, stage=STAGE, subject=f"about {text}")


def calls(count: int) -> list[Call]:
    return [call(f"question {number}") for number in range(count)]


def provider(server: ScriptedServer, model: str = MODELS[0], **settings: int) -> ProviderRole:
    base = server.root if model.startswith("anthropic") else server.url
    return ProviderRole(model=model, base_url=base, **settings)


class TestProviders:
    @pytest.mark.parametrize("model", MODELS)
    def test_sends_the_call_and_reads_the_reply(self, model: str, tmp_path: Path) -> None:
        with ScriptedServer([Answer("Gladly.")]) as server:
            client = Client({"generator": provider(server, model)}, tmp_path / "journal.jsonl")
            (reply,) = client(STAGE, [call("Hello?")])
        assert reply == Reply(text="Gladly.", model=model.split("/")[1], input_tokens=7, output_tokens=3)
        sent = server.requests[0]
        assert sent["max_tokens"] == 64
        assert sent["messages"][-1] == {"role": "user", "content": "Hello?"}
        assert "Be brief." in json.dumps(sent)

    @pytest.mark.parametrize("model", MODELS)
    @pytest.mark.parametrize(
        "trouble",
        [
            Fail(429, {"retry-after": "0.2"}),
            Fail(500),
            Fail(503, {"retry-after": "0"}),
            Stall(20),
            Raw(b'{"id": "x", "choi'),
        ],
        ids=["429", "500", "503", "stall", "cut-short"],
    )
    def test_retries_what_passes(self, model: str, trouble: Step, tmp_path: Path) -> None:
        with ScriptedServer([trouble]) as server:
            role = provider(server, model, attempt_timeout_s=1)
            (reply,) = Client({"generator": role}, tmp_path / "journal.jsonl")(STAGE, [call("Hello?")])
        assert reply.text == "Fine, thank you."
        assert len(server.requests) == 2

    @pytest.mark.parametrize("model", MODELS)
    def test_gives_up_at_the_retry_limit_and_names_the_call(self, model: str, tmp_path: Path) -> None:
        with ScriptedServer(otherwise=Fail(500)) as server:
            client = Client({"generator": provider(server, model, max_retries=1)}, tmp_path / "journal.jsonl")
            with pytest.raises(UpstreamError) as raised:
                client(STAGE, [call("Hello?")])
        assert len(server.requests) == 2
        for named in ("'generator'", model, STAGE, "about Hello?", "500"):
            assert named in str(raised.value)
        assert "\n" not in str(raised.value)

    @pytest.mark.parametrize("model", MODELS)
    @pytest.mark.parametrize("step", [Fail(401), Fail(400), Raw(b"{}"), Raw(b"[1]")], ids=["401", "400", "{}", "[1]"])
    def test_does_not_repeat_what_does_not_pass(self, model: str, step: Step, tmp_path: Path) -> None:
        with ScriptedServer([step]) as server:
            client = Client({"generator": provider(server, model)}, tmp_path / "journal.jsonl")
            with pytest.raises(UpstreamError, match="about Hello"):
                client(STAGE, [call("Hello?")])
        assert len(server.requests) == 1

    def test_waits_no_longer_than_timeout_s_in_all(self, tmp_path: Path) -> None:
        with ScriptedServer(otherwise=Fail(429, {"retry-after": "30"})) as server:
            client = Client({"generator": provider(server, timeout_s=1)}, tmp_path / "journal.jsonl")
            with pytest.raises(UpstreamError, match="timeout_s = 1"):
                client(STAGE, [call("Hello?")])
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        ("model", "finish", "stop"),
        [
            (MODELS[0], "length", "length"),
            (MODELS[0], "content_filter", "content_filter"),
            (MODELS[1], "max_tokens", "length"),
            (MODELS[1], "refusal", "content_filter"),
        ],
    )
    def test_maps_stop_reasons(self, model: str, finish: str, stop: str, tmp_path: Path) -> None:
        with ScriptedServer([Answer("I can", finish)]) as server:
            client = Client({"generator": provider(server, model)}, tmp_path / "journal.jsonl")
            (reply,) = client(STAGE, [call("Hello?")])
        assert (reply.text, reply.stop_reason) == ("I can", stop)

    def test_keeps_to_the_connection_limit(self, tmp_path: Path) -> None:
        with ScriptedServer() as server:
            client = Client({"generator": provider(server, max_connections=3)}, tmp_path / "journal.jsonl")
            replies = client(STAGE, calls(12))
        assert len(replies) == len(server.requests) == 12
        assert 2 <= server.busiest <= 3

    @pytest.mark.parametrize(
        ("role", "named"),
        [
            (ProviderRole(model="nobody/model"), "nobody"),
            (ProviderRole(model="gpt"), "gpt"),
            (ProviderRole(model=MODELS[0], model_args={"bogus": 1}), "bogus"),
        ],
    )
    def test_a_model_that_cannot_be_opened_is_misuse(self, role: ProviderRole, named: str, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=named):
            Client({"generator": role}, tmp_path / "journal.jsonl")(STAGE, calls(1))

    def test_a_missing_key_is_misuse_in_plain_text(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("OPENAI_API_KEY")
        with pytest.raises(UsageError, match="OPENAI_API_KEY") as raised:
            Client({"generator": ProviderRole(model=MODELS[0])}, tmp_path / "journal.jsonl")(STAGE, calls(1))
        assert "[bold]" not in str(raised.value)


class TestResuming:
    def test_an_interrupted_run_asks_only_what_is_left(self, tmp_path: Path) -> None:
        journal = tmp_path / "deep" / "journal.jsonl"
        with ScriptedServer([Answer()] * 4 + [Fail(400)]) as server:
            role = provider(server, max_connections=1)
            with pytest.raises(UpstreamError, match="question 4"):
                Client({"generator": role}, journal)(STAGE, calls(10))
            assert len(server.requests) == 5
            client = Client({"generator": role}, journal)
            replies = client(STAGE, calls(10))
            assert len(server.requests) == 5 + 6
            assert client.asked == 6
            assert len(replies) == 10
            Client({"generator": role}, journal)(STAGE, calls(10))
            assert len(server.requests) == 5 + 6

    def test_a_failure_loses_nothing_in_flight(self, tmp_path: Path) -> None:
        journal = tmp_path / "journal.jsonl"
        with ScriptedServer([Fail(400), *[Answer()] * 9]) as server:
            role = provider(server, max_connections=4)
            with pytest.raises(UpstreamError):
                Client({"generator": role}, journal)(STAGE, calls(10))
            answered = len(server.requests) - 1
            assert answered >= 3
            assert len(journal.read_text().splitlines()) == answered

    @pytest.mark.parametrize("cut", [1, 2, 40])
    def test_a_line_cut_short_by_a_crash_is_asked_again(self, cut: int, tmp_path: Path) -> None:
        journal = tmp_path / "journal.jsonl"
        with ScriptedServer(otherwise=Answer("Crème brûlée, 🍰")) as server:
            role = provider(server, max_connections=1)
            Client({"generator": role}, journal)(STAGE, calls(3))
            journal.write_bytes(journal.read_bytes()[:-cut])
            client = Client({"generator": role}, journal)
            replies = client(STAGE, calls(3))
            assert client.asked == 1
            assert [reply.text for reply in replies] == ["Crème brûlée, 🍰"] * 3
            again = Client({"generator": role}, journal)
            again(STAGE, calls(3))
            assert again.asked == 0

    def test_a_damaged_line_is_named(self, tmp_path: Path) -> None:
        journal = tmp_path / "journal.jsonl"
        journal.write_text('{"nothing": 1}\n')
        with pytest.raises(ArtifactError, match=r"journal\.jsonl:1"):
            Client({}, journal)

    def test_another_model_is_asked_anew(self, tmp_path: Path) -> None:
        journal = tmp_path / "journal.jsonl"
        with ScriptedServer() as server:
            first = Client({"generator": provider(server)}, journal)
            second = Client({"generator": provider(server, "openai/gpt-4o-mini")}, journal)
            first(STAGE, calls(1))
            second(STAGE, calls(1))
        assert len(server.requests) == 2
        assert first.fingerprint != second.fingerprint

    def test_connection_settings_do_not_change_the_fingerprint(self, tmp_path: Path) -> None:
        roles = [ProviderRole(model="a/b", max_retries=count, timeout_s=count + 1) for count in range(2)]
        clients = [Client({"generator": role}, tmp_path / "journal.jsonl") for role in roles]
        assert clients[0].fingerprint == clients[1].fingerprint


class TestDispatch:
    def test_equal_calls_are_asked_once_and_order_is_kept(self, tmp_path: Path) -> None:
        with ScriptedServer([Answer("one"), Answer("two")]) as server:
            client = Client({"generator": provider(server, max_connections=1)}, tmp_path / "journal.jsonl")
            replies = client(STAGE, [call("a"), call("b"), call("a")])
        assert [reply.text for reply in replies] == ["one", "two", "one"]
        assert len(server.requests) == 2

    def test_each_role_has_its_own_model(self, tmp_path: Path) -> None:
        with ScriptedServer() as server:
            roles = {"generator": provider(server), "judge": provider(server, MODELS[1])}
            client = Client(roles, tmp_path / "journal.jsonl")  # type: ignore[arg-type]
            replies = client(STAGE, [call("a"), call("a", "judge")])
        assert [reply.model for reply in replies] == ["gpt-4o", "claude-scripted"]

    def test_progress_counts_what_was_known(self, tmp_path: Path) -> None:
        seen: list[tuple[str, int, int]] = []
        with ScriptedServer() as server:
            role = provider(server, max_connections=1)
            Client({"generator": role}, tmp_path / "journal.jsonl")(STAGE, calls(2))
            client = Client({"generator": role}, tmp_path / "journal.jsonl", progress=lambda *step: seen.append(step))
            client(STAGE, calls(4))
        assert seen == [(STAGE, 2, 4), (STAGE, 3, 4), (STAGE, 4, 4)]

    def test_an_unconfigured_role_is_misuse(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"\[roles\.judge\]"):
            Client({}, tmp_path / "journal.jsonl")(STAGE, [call("a", "judge")])

    def test_plan_counts_without_asking(self, tmp_path: Path) -> None:
        with ScriptedServer() as server:
            client = Client({"generator": provider(server)}, tmp_path / "journal.jsonl")
            client(STAGE, [call("a")])
            plan = client.plan(STAGE, [call("a"), call("b" * 40, max_tokens=100), call("b" * 40, max_tokens=100)])
        assert (plan.calls, plan.answered, plan.output_tokens) == (1, 1, 100)
        assert plan.input_tokens == 3 + 10  # "Be brief." and 40 characters
        assert len(server.requests) == 1


class TestRecorded:
    def test_answers_from_recordings_and_leaves_no_journal(self, tmp_path: Path) -> None:
        file = tmp_path / "recorded.jsonl"
        Recordings([Recording(key=call("a").digest, reply=Reply(text="kept", model="m"))]).dump(file)
        client = Client({"generator": RecordedRole(paths=(str(file),))}, tmp_path / "journal.jsonl")
        assert client(STAGE, [call("a")])[0].text == "kept"
        assert client.asked == 0
        assert not (tmp_path / "journal.jsonl").exists()

    def test_lacking_answers_carry_their_calls(self, tmp_path: Path) -> None:
        own = tmp_path / "absent.jsonl"
        client = Client({"generator": RecordedRole()}, tmp_path / "journal.jsonl", recordings=[own])
        with pytest.raises(MissingRecordings, match=r"3 calls .*'about question 0'.*gruyere batch export") as raised:
            client(STAGE, calls(3) + calls(3))
        assert raised.value.calls == tuple(calls(3))
        assert isinstance(raised.value, UsageError)

    def test_a_project_s_own_recordings_add_to_the_role_s(self, tmp_path: Path) -> None:
        own = tmp_path / "own.jsonl"
        Recordings([Recording(key=call("a").digest, reply=Reply(text="own", model="m"))]).dump(own)
        client = Client({"generator": RecordedRole()}, tmp_path / "journal.jsonl", recordings=[own])
        assert client(STAGE, [call("a")])[0].text == "own"
