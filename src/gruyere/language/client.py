"""Answers calls by role: from recordings, from the journal of finished calls, or from a model.

Every finished call is appended to the journal at once, so an interrupted run resumes without
asking, or paying, twice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from gruyere.language.backends import Backend, open_backend
from gruyere.language.calls import Call, Reply, RoleName
from gruyere.language.journal import Journal
from gruyere.language.recorded import Recording, Recordings, corpus_folder, recording_files
from gruyere.language.roles import RecordedRole, RoleConfig, fingerprint
from gruyere.store import file_digest
from gruyere.values import UpstreamError, UsageError, digest_of

Progress = Callable[[str, int, int], None]
"""Called with the stage, calls done and calls in all, before the first call is asked and after each answer."""


class MissingRecordings(UsageError):
    """The recorded backend lacks replies; `calls` holds what to export and have answered."""

    def __init__(self, stage: str, calls: Sequence[Call]) -> None:
        self.stage = stage
        self.calls = tuple(calls)
        super().__init__(
            f"stage {stage!r}: {len(calls)} calls have no recorded answer, first {calls[0].subject!r}; write them with "
            "`gruyere batch export`, have any model answer them, then `gruyere batch import`"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a stage would ask of a model and pay for."""

    stage: str
    calls: int
    """Calls that a model would be asked."""
    answered: int
    """Calls that recordings or the journal answer."""
    input_tokens: int
    output_tokens: int
    """Upper bound: the calls' token limits."""


@dataclass(slots=True)
class _Run:
    """What one stage has got from its models so far."""

    stage: str
    done: int
    total: int
    found: dict[str, Reply] = field(default_factory=dict)
    failure: Exception | None = None


class Client:
    """Answers calls by role; satisfies `gruyere.synthesis.Ask`.

    Args:
        roles: The configured roles.
        journal: JSONL file of finished calls; made when the first call is asked.
        backends: Makes the backend of a role that is not recorded.
        recordings: Further recording files, such as a project's own; those that do not exist yet are passed over.
        progress: Told of each finished call.

    Raises:
        ArtifactError: If the journal or a recording is damaged.
    """

    def __init__(
        self,
        roles: Mapping[RoleName, RoleConfig],
        journal: Path,
        *,
        backends: Callable[[RoleName, RoleConfig], Backend] = open_backend,
        recordings: Sequence[Path] = (),
        progress: Progress = lambda *_: None,
    ) -> None:
        self._roles = dict(roles)
        self._backends = backends
        self._progress = progress
        self._journal = Journal(journal)
        own = [path for path in recordings if path.exists()]
        self._recordings = {
            name: Recordings.load([*_paths_of(role), *own])
            for name, role in self._roles.items()
            if isinstance(role, RecordedRole)
        }
        self._asked = 0

    @property
    def fingerprint(self) -> str:
        """Name of the models behind the roles; recorded ones by the content of what was recorded for them."""
        return digest_of({name: [fingerprint(role), _contents_of(role)] for name, role in self._roles.items()})

    @property
    def asked(self) -> int:
        """Calls that a model answered in this run, recordings and journal aside."""
        return self._asked

    def __call__(self, stage: str, calls: Sequence[Call]) -> list[Reply]:
        """Answer every call, in order; equal calls are asked once.

        Raises:
            MissingRecordings: If a recorded role lacks answers.
            UpstreamError: If a model fails; what was answered before stays in the journal.
            UsageError: If a role is not configured, or its model cannot be opened.
        """
        distinct = {call.digest: call for call in calls}
        found = {digest: reply for digest, call in distinct.items() if (reply := self._known(call))}
        missing = [call for digest, call in distinct.items() if digest not in found]
        recorded = [call for call in missing if isinstance(self._role(call), RecordedRole)]
        if recorded:
            raise MissingRecordings(stage, recorded)
        if missing:
            run = _Run(stage, done=len(found), total=len(distinct))
            anyio.run(self._ask_all, run, missing)
            found |= run.found
        return [found[call.digest] for call in calls]

    def plan(self, stage: str, calls: Sequence[Call]) -> Plan:
        """Count what the stage would ask; four characters count as one token."""
        distinct = {call.digest: call for call in calls}.values()
        open_calls = [call for call in distinct if self._known(call) is None]
        return Plan(
            stage=stage,
            calls=len(open_calls),
            answered=len(distinct) - len(open_calls),
            input_tokens=sum(-(-len(m.content) // 4) for call in open_calls for m in call.messages),
            output_tokens=sum(call.max_tokens for call in open_calls),
        )

    def _role(self, call: Call) -> RoleConfig:
        role = self._roles.get(call.role)
        if role is None:
            raise UsageError(f"role {call.role!r} is not configured; add a [roles.{call.role}] table to gruyere.toml")
        return role

    def _known(self, call: Call) -> Reply | None:
        role = self._role(call)
        if isinstance(role, RecordedRole):
            return self._recordings[call.role].get(call)
        return self._journal.get(_journal_key(call, role))

    async def _ask_all(self, run: _Run, calls: Sequence[Call]) -> None:
        by_role: dict[RoleName, list[Call]] = {}
        for call in calls:
            by_role.setdefault(call.role, []).append(call)
        self._progress(run.stage, run.done, run.total)
        with self._journal:
            for name, mine in by_role.items():
                await self._ask_role(run, self._backends(name, self._roles[name]), mine)

    async def _ask_role(self, run: _Run, backend: Backend, calls: Sequence[Call]) -> None:
        """Ask one role's calls, `backend.concurrency` at a time.

        After a failure no further call is started, but those in flight, which are paid for, are kept.
        """
        todo = iter(calls)
        async with backend, anyio.create_task_group() as group:
            for _ in range(min(backend.concurrency, len(calls))):
                group.start_soon(self._work, run, backend, todo)
        if run.failure is not None:
            raise run.failure

    async def _work(self, run: _Run, backend: Backend, todo: Iterator[Call]) -> None:
        for call in todo:
            try:
                self._keep(run, call, await backend.answer(call))
            except UpstreamError as error:
                run.failure = run.failure or _explain(error, call, run.stage, backend.model)
            except Exception as error:  # raised by _ask_role once the calls in flight are finished
                run.failure = run.failure or error
            if run.failure is not None:
                return

    def _keep(self, run: _Run, call: Call, reply: Reply) -> None:
        key = _journal_key(call, self._role(call))
        self._journal.add(Recording(key=key, reply=reply, stage=call.stage, subject=call.subject))
        run.found[call.digest] = reply
        self._asked += 1
        self._progress(run.stage, run.done + len(run.found), run.total)


def _explain(error: UpstreamError, call: Call, stage: str, model: str) -> UpstreamError:
    explained = UpstreamError(
        f"role {call.role!r}, model {model!r}, stage {stage!r}, {call.subject!r}: {error}; "
        "finished calls are kept, run again to resume"
    )
    explained.__cause__ = error
    return explained


def _journal_key(call: Call, role: RoleConfig) -> str:
    return digest_of([call.digest, fingerprint(role)])


def _paths_of(role: RecordedRole) -> list[Path]:
    shipped = [corpus_folder(role.corpus)] if role.corpus else []
    return [*shipped, *(Path(path) for path in role.paths)]


def _contents_of(role: RoleConfig) -> list[str]:
    """Return the digests of a recorded role's files, so that another corpus under the same name is another model."""
    if not isinstance(role, RecordedRole):
        return []
    return [file_digest(file) for path in _paths_of(role) for file in recording_files(path)]
