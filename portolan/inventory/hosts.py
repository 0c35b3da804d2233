"""The hosts that were made for a site: the part of the state's `hosts.json` that Ansible needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from portolan.errors import PortolanError


class MadeHost(BaseModel):
    """A host that stands, how to reach it, and what is particular about it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    address: str
    ssh_user: str
    ssh_port: int = 22
    private_key: str | None = None
    endpoint: str | None = None  # of a gateway: its outer address
    facts: dict[str, Any] = {}


class MadeHosts(BaseModel):
    """All hosts that were made for one site."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    site: str
    hosts: tuple[MadeHost, ...]


def made_hosts(state: Path) -> dict[str, MadeHost]:
    """Return the made hosts by name; none where nobody made any.

    Raises PortolanError where `hosts.json` is damaged.
    """
    path = state / "hosts.json"
    if not path.is_file():
        return {}
    try:
        document = MadeHosts.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PortolanError(
            str(path), f"not a valid list of hosts: {where}: {first['msg']}", "run `portolan sandbox up SITE` again"
        ) from error
    return {host.name: host for host in document.hosts}
