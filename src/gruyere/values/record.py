"""Frozen records whose identity is their content."""

import hashlib
import json

from pydantic import BaseModel, ConfigDict


def digest_of(content: object) -> str:
    """Return a tagged SHA-256 of canonical JSON; the tag changes when the form does."""
    body = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return "v1-" + hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()


class Value(BaseModel):
    """A frozen, strict record: unknown fields are errors and its digest names its content."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @property
    def digest(self) -> str:
        """Name of this content, stable across machines and field order."""
        return digest_of([type(self).__name__, self.model_dump(mode="json")])
