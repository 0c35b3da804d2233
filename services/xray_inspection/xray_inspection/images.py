"""From a file's bytes to what a detector sees: transmission, then attenuation, one number a pixel."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from model_server.errors import BadRecordError

Values = NDArray[np.float32]
FORMATS = ("PNG", "TIFF", "JPEG")
PIXELS_MOST = 64_000_000
SIDE_LEAST = 32
LEAST_TRANSMISSION = 1 / 256
WHITE_QUANTILE = 0.995  # of the pixels: where nothing is in the beam
SCALE = 1 / 3  # brings attenuations of cargo to about one


def decode(content: bytes, where: str) -> Values:
    """Return the transmission of a PNG, TIFF or JPEG of 8 or 16 bits, its brightest as 1.

    Raises BadRecordError for what is no such image, is too large or too small.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            width, height = image.size
            if width * height > PIXELS_MOST:
                raise BadRecordError(
                    where, f"{width} x {height} pixels", f"send at most {PIXELS_MOST // 10**6} million"
                )
            if min(width, height) < SIDE_LEAST:
                raise BadRecordError(where, f"{width} x {height} pixels", f"send at least {SIDE_LEAST} each way")
            grey = image if image.mode in ("I;16", "I;16B", "I", "F") else image.convert("L")
            pixels = np.asarray(grey, dtype=np.float32)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise BadRecordError(where, f"no readable image ({error})", f"send {', '.join(FORMATS)}") from None
    white = float(np.quantile(pixels[:: max(1, height // 512), :: max(1, width // 512)], WHITE_QUANTILE))
    if not white > 0:
        raise BadRecordError(where, "it is black all over", "send transmission: bright where nothing is in the beam")
    transmission: Values = np.clip(pixels / np.float32(white), 0, 1)
    return transmission


def attenuation(transmission: Values) -> Values:
    """Return how much of the beam is kept back, as a detector is given it: proportional to what lies in its way."""
    kept: Values = -np.log(np.maximum(transmission, np.float32(LEAST_TRANSMISSION))) * np.float32(SCALE)
    return kept
