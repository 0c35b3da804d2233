"""Read a site file; every error names the file, the line, what is wrong and the remedy."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from portolan.errors import PortolanError
from portolan.sites.document import numbers_without_end, read_document
from portolan.sites.faults import in_words
from portolan.sites.schema import Site


def load_site(path: Path) -> Site:
    """Return the site described by the YAML file at `path`.

    Types are strict: "2000" in quotes and `true` are no numbers. Raises PortolanError where the file is missing, is not
    YAML, or does not fit the schema.
    """
    document = read_document(path)
    for at in numbers_without_end(document.values):
        key = ".".join(str(part) for part in at)
        raise PortolanError(f"{path}:{document.line(at)}", f"{key}: the number is not finite", "give a number")
    try:
        # JSON's strict mode takes text for enumerations and address ranges, as YAML writes them, and nothing looser.
        return Site.model_validate_json(json.dumps(document.values), strict=True)
    except ValidationError as error:
        raise in_words(document, Site, error.errors(include_url=False)) from error
