"""The one error that users of a service see: where, what, and the remedy."""

from __future__ import annotations

EXIT_COULD_NOT_RUN = 2


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


class BadRecordError(BadRequestError):
    """The request is well formed, but a record in it is not (HTTP 422)."""

    def __init__(self, where: str, what: str, remedy: str) -> None:
        super().__init__(where, what, remedy, status=422)
