"""Access to language models by role. Knows no stage and no classifier."""

from gruyere.language.backends import Backend, StandInBackend, open_backend
from gruyere.language.batch import BatchRequest, ImportReport, export_batch, import_batch, read_requests
from gruyere.language.calls import Call, Reply, RoleName, StopReason
from gruyere.language.client import Client, MissingRecordings, Plan, Progress
from gruyere.language.journal import Journal
from gruyere.language.local import LocalBackend, LocalServer, packaged_model
from gruyere.language.providers import ProviderBackend
from gruyere.language.recorded import Recording, Recordings, UnusableLine, corpus_folder, shipped_corpora
from gruyere.language.roles import LocalRole, ProviderRole, RecordedRole, RoleConfig, StandInRole, fingerprint
from gruyere.language.standin import Known, Skills, StandIn

__all__ = [
    "Backend",
    "BatchRequest",
    "Call",
    "Client",
    "ImportReport",
    "Journal",
    "Known",
    "LocalBackend",
    "LocalRole",
    "LocalServer",
    "MissingRecordings",
    "Plan",
    "Progress",
    "ProviderBackend",
    "ProviderRole",
    "RecordedRole",
    "Recording",
    "Recordings",
    "Reply",
    "RoleConfig",
    "RoleName",
    "Skills",
    "StandIn",
    "StandInBackend",
    "StandInRole",
    "StopReason",
    "UnusableLine",
    "corpus_folder",
    "export_batch",
    "fingerprint",
    "import_batch",
    "open_backend",
    "packaged_model",
    "read_requests",
    "shipped_corpora",
]
