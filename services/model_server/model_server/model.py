"""What a model is to the server: its tensors, how a record is read, and how answers are told.

A service implements `Model` and hands a loader to `model_server.serve.run`; the server does the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar


@dataclass(frozen=True)
class Tensor:
    """An input or output: one value a record, or an array of `shape` a record.

    `raw` keeps the elements of a BYTES tensor as bytes (an image), where they are text otherwise.

    >>> Tensor("pixels", "FP32", (3, 224, 224)).document()
    {'name': 'pixels', 'datatype': 'FP32', 'shape': [-1, 3, 224, 224]}
    """

    name: str
    datatype: str
    shape: tuple[int, ...] = ()
    raw: bool = False

    def document(self) -> dict[str, Any]:
        """Return what a model's metadata say of it; the first dimension is the number of records."""
        return {"name": self.name, "datatype": self.datatype, "shape": [-1, *self.shape]}


Answers = TypeVar("Answers")


class Model(Protocol[Answers]):
    """A loaded model; nothing in it changes after it is loaded. Plain attributes do for its properties."""

    @property
    def digest(self) -> str:
        """Return the digest of its files."""

    @property
    def platform(self) -> str:
        """Return what it runs on, for its metadata."""

    @property
    def inputs(self) -> Sequence[Tensor]:
        """Return the fields of a record."""

    @property
    def outputs(self) -> Sequence[Tensor]:
        """Return what is told of a record."""

    @property
    def aliases(self) -> Mapping[str, str]:
        """Return other titles of inputs, and whose."""

    @property
    def outcomes(self) -> Sequence[str]:
        """Return the answers that are counted, such as lanes; none where there is no such list."""

    @property
    def details(self) -> Mapping[str, Any]:
        """Return what its metadata tell besides."""

    @property
    def card(self) -> Mapping[str, Any]:
        """Return the card that its files hold."""

    def options(self, parameters: Mapping[str, Any], outputs: Sequence[str]) -> Any:
        """Return a request's parameters, checked. Raises BadRequestError."""

    def read(self, record: object, where: str) -> Any:
        """Return one record, checked. Raises BadRecordError that names the field in fault."""

    def answer(self, records: Sequence[Any], options: Any) -> Answers:
        """Return the answers to the records, in their order."""

    def instances(self, answers: Answers) -> Sequence[Any]:
        """Return the answers as V1 tells them: one JSON value a record."""

    def column(self, answers: Answers, output: str) -> Sequence[Any]:
        """Return the answers as V2 tells them: the values of one output."""

    def counted(self, answers: Answers) -> Sequence[str]:
        """Return the outcome of each record; empty where `outcomes` is."""

    def scores(self, answers: Answers) -> Sequence[float]:
        """Return one number a record, by which two versions are compared and drift is seen."""
