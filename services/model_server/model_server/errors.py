"""The one error that users of a service see: where, what, and the remedy."""

from __future__ import annotations

EXIT_COULD_NOT_RUN = 2
JSON = [("content-type", "application/json")]


class ServiceError(Exception):
    """Something that the user can mend.

    >>> str(ServiceError("train.csv", "no column 'Fraud'", "use the published columns"))
    "train.csv: no column 'Fraud'; use the published columns"
    """

    def __init__(self, where: str, what: str, remedy: str) -> None:
        self.where = where
        self.what = what
        self.remedy = remedy
        super().__init__(f"{where}: {what}; {remedy}")


class BadRequestError(ServiceError):
    """The request is not what the protocol says (HTTP 400 unless another status fits better)."""

    def __init__(self, where: str, what: str, remedy: str, status: int = 400) -> None:
        super().__init__(where, what, remedy)
        self.status = status

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Return the headers of the answer, with what HTTP asks for beside its status."""
        if self.status == 401:
            return [*JSON, ("www-authenticate", "Bearer")]
        return [*JSON, ("retry-after", "1")] if self.status == 503 else JSON


class MethodError(BadRequestError):
    """The path is not answered for this method (HTTP 405); the answer names those that are."""

    def __init__(self, where: str, what: str, remedy: str, allowed: str) -> None:
        super().__init__(where, what, remedy, status=405)
        self.allowed = allowed

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [*JSON, ("allow", self.allowed)]


class BadRecordError(BadRequestError):
    """The request is well formed, but a record in it is not (HTTP 422)."""

    def __init__(self, where: str, what: str, remedy: str) -> None:
        super().__init__(where, what, remedy, status=422)
