"""The clusters of a site as files: where each location has its own, a site file for each, kept in that cluster's state.

Everything that works on a site of one cluster works on such a file: it is an ordinary site file.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML

from portolan import paths
from portolan.errors import PortolanError
from portolan.files import write_atomically
from portolan.inventory.hosts import made_hosts
from portolan.output import people
from portolan.sites.clusters import cluster_name, cluster_sites, has_several_clusters
from portolan.sites.loader import load_site
from portolan.sites.schema import Site

T = TypeVar("T")


def cluster_files(path: Path, location: str | None = None) -> tuple[Path, ...]:
    """Return the site file of each cluster of a site: the file itself, or one that is written for each location.

    `location` chooses one. Raises PortolanError where the site has no cluster of its own there.
    """
    site = load_site(path)
    if not has_several_clusters(site):
        if location is not None:
            raise PortolanError(
                str(path),
                f"--location {location}: the site is one cluster",
                "leave --location out; `portolan size SITE -o json` says under placement how many clusters there are",
            )
        return (path,)
    names = [place.name for place in site.locations.places] if site.locations else []
    if location is not None and location not in names:
        raise PortolanError(str(path), f"there is no location {location!r}", f"choose one of: {', '.join(names)}")
    made = {name: host.address for name, host in made_hosts(paths.site_state(site.name)).items()}
    return tuple(
        _write(path, site, member)
        for member in cluster_sites(site, made)
        if location is None or member.name == cluster_name(site.name, location)
    )


def one_cluster(path: Path, location: str | None) -> Path:
    """Return the site file of one cluster. Raises PortolanError where there are several and none is chosen."""
    found = cluster_files(path, location)
    if len(found) > 1:
        refuse_several(load_site(path), path)
    return found[0]


def home_cluster(path: Path) -> Path:
    """Return the site file of the cluster that serves scores: the first one on site."""
    site = load_site(path)
    if site.locations is None or not has_several_clusters(site):
        return path
    return one_cluster(path, next(place.name for place in site.locations.places if place.kind == "on-site"))


def refuse_several(site: Site, path: Path) -> None:
    """Refuse a site with a cluster in each location where one is meant. Raises PortolanError."""
    if has_several_clusters(site) and site.locations is not None:
        names = ", ".join(place.name for place in site.locations.places)
        raise PortolanError(
            str(path),
            f"the site has a cluster in each of its locations ({names}), and this works on one",
            "choose it by --location, or give the cluster's own file: site.yaml in its state "
            f"({paths.site_state(cluster_name(site.name, site.locations.places[0].name))})",
        )


def on_each(path: Path, location: str | None, work: Callable[[Path], T]) -> list[T]:
    """Do something on each cluster of a site, one after another, and say which.

    An error ends it: the clusters after it are left as they are, and a second run passes quickly through the first.
    """
    files = cluster_files(path, location)
    results = []
    for number, file in enumerate(files, start=1):
        if len(files) > 1:
            people.print(f"cluster {number} of {len(files)}: {load_site(file).name}", markup=False)
        results.append(work(file))
    return results


def _write(path: Path, site: Site, member: Site) -> Path:
    """Write one cluster's site file into its state, with what is known of hosts that were made for the whole site."""
    state = paths.site_state(member.name)
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.dump(_plain(member), stream)
    text = f"# Derived by Portolan from {path.name}: changes here are lost.\n{stream.getvalue()}"
    _keep(state / "site.yaml", text)
    whole = paths.site_state(site.name)
    if (whole / "hosts.json").is_file():
        document = json.loads((whole / "hosts.json").read_text(encoding="utf-8"))
        here = {host.name for host in member.hosts.nodes}
        hosts = [host for host in document["hosts"] if host["name"] in here]
        _keep(state / "hosts.json", json.dumps({**document, "site": member.name, "hosts": hosts}, indent=2) + "\n")
    else:
        (state / "hosts.json").unlink(missing_ok=True)
    known_hosts = whole / "ssh" / "known_hosts"
    if known_hosts.is_file() and member.hosts.provider == "sandbox":
        (state / "ssh").mkdir(exist_ok=True, mode=0o700)
        _keep(state / "ssh" / "known_hosts", known_hosts.read_text(encoding="utf-8"))
    return state / "site.yaml"


def _plain(member: Site) -> dict[str, Any]:
    """Return a site as its file says it: nothing that is left out means the same."""
    document: dict[str, Any] = member.model_dump(mode="json", exclude_defaults=True)
    return document


def _keep(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_atomically(path, text)
