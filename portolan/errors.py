"""The one error that users see: where, what, and the remedy.

Every room raises `PortolanError` (or a subclass) for bad input and for a world that is not as
it must be; the command line prints it in one piece and exits with `EXIT_COULD_NOT_RUN`.
"""

from __future__ import annotations

EXIT_PASSED = 0
EXIT_FAILED = 1
EXIT_COULD_NOT_RUN = 2


class PortolanError(Exception):
    """Something the user can mend.

    >>> str(PortolanError("sites/x.yaml:3", "unknown key 'hosst'", "did you mean 'hosts'?"))
    "sites/x.yaml:3: unknown key 'hosst'\\n  remedy: did you mean 'hosts'?"
    """

    def __init__(self, where: str, what: str, remedy: str) -> None:
        self.where = where
        self.what = what
        self.remedy = remedy
        super().__init__(f"{where}: {what}\n  remedy: {remedy}")
