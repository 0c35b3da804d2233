"""LightGBM's call for one row at a time, set up once and repeated.

`Booster.predict` checks its arguments, converts the data and parses the parameters at every call, which costs several
times what the trees do. LightGBM's C interface has a call for this case (`LGBM_BoosterPredictForMatSingleRowFast` in
its `c_api.h`); the Python package has no method for it, so it is called here. The numbers are the same to the last bit.
"""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Sequence

import lightgbm
import numpy as np
from lightgbm.basic import _LIB, _safe_call  # type: ignore[attr-defined]
from numpy.typing import NDArray

_FLOAT64 = 1  # C_API_DTYPE_FLOAT64
_RAW_SCORE = 1  # C_API_PREDICT_RAW_SCORE
_ALL_TREES = -1
_KEEPING_LOCK = ctypes.PYFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64), ctypes.POINTER(ctypes.c_double)
)


class SingleRow:
    """Raw scores (log odds) of single rows of float64.

    >>> SingleRow(booster).raw_score(matrix[0]) == booster.predict(matrix[:1], raw_score=True)[0]
    True
    """

    def __init__(self, booster: lightgbm.Booster) -> None:
        """Set the call up. Raises lightgbm.basic.LightGBMError where the library refuses it."""
        self._booster = booster  # owns the trees that the handle below points to
        columns = booster.num_feature()
        self._row = ctypes.create_string_buffer(8 * columns)
        self._pack = struct.Struct(f"{columns}d").pack_into  # quicker than an assignment to an array
        self._result = ctypes.c_double()
        self._length = ctypes.c_int64()
        self._lock = threading.Lock()
        handle = ctypes.c_void_p()
        _safe_call(
            _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
                booster._handle,
                ctypes.c_int(_RAW_SCORE),
                ctypes.c_int(0),
                ctypes.c_int(_ALL_TREES),
                ctypes.c_int(_FLOAT64),
                ctypes.c_int32(columns),
                ctypes.c_char_p(b"num_threads=1"),
                ctypes.byref(handle),
            )
        )
        # The interpreter's lock is kept: to give it up and wait for it again would take longer than the call.
        self._predict = _KEEPING_LOCK(("LGBM_BoosterPredictForMatSingleRowFast", _LIB))
        self._arguments = (
            handle,
            ctypes.cast(self._row, ctypes.c_void_p),
            ctypes.pointer(self._length),
            ctypes.pointer(self._result),
        )

    def raw_score(self, row: Sequence[float] | NDArray[np.float64]) -> float:
        """Return the raw score of one row, which has as many columns as the model has features."""
        with self._lock:  # one buffer for all threads; the call takes microseconds
            self._pack(self._row, 0, *row)
            if self._predict(*self._arguments):
                raise RuntimeError("LightGBM could not score a row")
            return self._result.value
