"""The Open Inference protocol's extension for tensors as bytes behind the JSON, in the order of their tensors.

Numbers are little-endian; an element of BYTES is its length in four bytes, little-endian, and then itself.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from model_server.errors import BadRequestError

HEADER = "inference-header-content-length"
NUMBERS = {
    "FP64": "<f8",
    "FP32": "<f4",
    "FP16": "<f2",
    "INT64": "<i8",
    "INT32": "<i4",
    "INT16": "<i2",
    "INT8": "<i1",
    "UINT64": "<u8",
    "UINT32": "<u4",
    "UINT16": "<u2",
    "UINT8": "<u1",
}
_LENGTH = struct.Struct("<I")


class Tail:
    """What follows the JSON of a request, taken tensor by tensor."""

    def __init__(self, body: bytes, json_length: int) -> None:
        self._body = body
        self._at = json_length

    def take(self, size: object, datatype: object, where: str, raw: bool = False) -> list[Any]:
        """Return the values of the next tensor, which has `size` bytes; `raw` leaves the elements of BYTES as bytes.

        Raises BadRequestError where it has not so many.
        """
        left = len(self._body) - self._at
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= left:
            raise BadRequestError(
                f"{where}.parameters.binary_data_size", f"{size!r} where {left} bytes are left", "send its bytes"
            )
        part = self._body[self._at : self._at + size]
        self._at += size
        if datatype == "BYTES":
            parts = _unpack(part, where)
            return parts if raw else texts(parts, where)
        kind = NUMBERS.get(datatype) if isinstance(datatype, str) else None
        if kind is None:
            raise BadRequestError(f"{where}.datatype", f"{datatype!r}", f"send BYTES, {', '.join(NUMBERS)}")
        if size % np.dtype(kind).itemsize:
            raise BadRequestError(where, f"{size} bytes are no whole number of {datatype}", "send whole values")
        values: list[Any] = np.frombuffer(part, dtype=kind).tolist()
        return values

    def done(self) -> None:
        """Check that nothing is left. Raises BadRequestError otherwise."""
        left = len(self._body) - self._at
        if left:
            raise BadRequestError("body", f"{left} bytes after the last tensor", "name them in a binary_data_size")


def _unpack(part: bytes, where: str) -> list[bytes]:
    elements: list[bytes] = []
    at = 0
    while at < len(part):
        begin = at + _LENGTH.size
        at = begin + _LENGTH.unpack_from(part, at)[0] if begin <= len(part) else len(part) + 1
        if at > len(part):
            raise BadRequestError(where, "an element is cut off", "send 4 bytes of length and so many bytes, each")
        elements.append(part[begin:at])
    return elements


def texts(elements: Sequence[bytes], where: str) -> list[str]:
    """Return elements of BYTES as text. Raises BadRequestError for the first that is no UTF-8."""
    texts: list[str] = []
    for element in elements:
        try:
            texts.append(element.decode())
        except UnicodeDecodeError:
            raise BadRequestError(where, f"element {len(texts)} is no UTF-8", "send text as UTF-8") from None
    return texts


def pack(values: Sequence[Any], datatype: str) -> bytes:
    """Return the bytes of a tensor.

    >>> pack(["red"], "BYTES")
    b'\\x03\\x00\\x00\\x00red'
    """
    if datatype == "BYTES":
        encoded = [str(value).encode() for value in values]
        return b"".join(_LENGTH.pack(len(text)) + text for text in encoded)
    return np.array(values, dtype=NUMBERS[datatype]).tobytes()
