"""KServe's own definitions of its kinds, of the release that the bundle locks, as a check of an object."""

from __future__ import annotations

from functools import lru_cache

import jsonschema
import pytest
import yaml

from portolan import paths
from portolan.bundle.lock import load_lock


def strict(schema):
    """Return a definition's schema as one that refuses what the API server would prune."""
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    made = {key: value for key, value in schema.items() if not key.startswith("x-") and key != "format"}
    if "properties" in made:
        made["properties"] = {name: strict(one) for name, one in made["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    if isinstance(made.get("additionalProperties"), dict):
        made["additionalProperties"] = strict(made["additionalProperties"])
    if isinstance(made.get("items"), dict):
        made["items"] = strict(made["items"])
    return made


@lru_cache
def kserve_schema(kind, version):
    """Return KServe's own whole definition of a kind, of the release in the bundle's lock."""
    module = load_lock().module("kserve")
    folder = paths.cache() / "go" / "mod" / f"{module.path}@{module.version}" / "config" / "crd" / "full"
    name = f"serving.kserve.io_{kind.lower()}s.yaml"
    found = [path for path in (folder / name, folder / "llmisvc" / name) if path.is_file()]
    if not found:
        pytest.skip("the bundle on this machine was not built here: KServe's sources are not there")
    definition = yaml.load(found[0].read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    served = next(one for one in definition["spec"]["versions"] if one["name"] == version and one["served"])
    schema = strict(served["schema"]["openAPIV3Schema"])
    # the API server knows metadata better than the definition does
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def check(document):
    version = document["apiVersion"].rsplit("/", 1)[1]
    jsonschema.validate(document, kserve_schema(document["kind"], version))
