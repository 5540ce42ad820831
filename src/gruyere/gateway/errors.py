"""What goes wrong at the gateway, each with the status and the word a caller sees.

GruyereError
├── RequestError: the caller's request cannot be served; 4xx
└── UpstreamError
    └── UpstreamFailure: the model's server is unreachable, silent, broken or refuses; its own 4xx/5xx, else 502
"""

from gruyere.values import GruyereError, UpstreamError


class RequestError(GruyereError):
    """A request that cannot be served as it is."""

    def __init__(
        self, message: str, *, param: str | None = None, code: str = "invalid_request", status: int = 400
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code

    @property
    def body(self) -> dict[str, object]:
        """The error in OpenAI's shape."""
        return error_body(str(self), "invalid_request_error", self.code, self.param)


class UpstreamFailure(UpstreamError):
    """The model's server failed; `code` is a word, `status` what a caller is answered where nothing was sent yet."""

    def __init__(self, message: str, *, code: str, status: int = 502, kind: str = "upstream_error") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.kind = kind

    @property
    def body(self) -> dict[str, object]:
        """The error in OpenAI's shape."""
        return error_body(str(self), self.kind, self.code)


def error_body(message: str, kind: str, code: str, param: str | None = None) -> dict[str, object]:
    """Return an error in OpenAI's shape."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
