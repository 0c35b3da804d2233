"""What a stack declares, as a graph: boxes in their components, and who waits for whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from portolan.model import Model
from portolan.sizing.plan import Plan

# What a resource is for, by a word of its type, and the colour of that (a palette that colour-blind people tell apart).
CATEGORIES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "keys": ("#f0e442", ("kms", "keyvault", "DiskEncryptionSet")),
    "money": ("#d5a6bd", ("budget", "costexplorer", "consumption", "billing", "NotificationChannel")),
    "logs": (
        "#cccccc",
        ("cloudtrail", "cloudwatch", "flowLog", "kinesis", "monitor", "operationalinsights", "logging", "AuditConfig"),
    ),
    "identities": (
        "#e8b88a",
        ("iam", "managedidentity", "authorization", "serviceaccount", "podIdentity", "rbac", "IAM", "ServiceAccount"),
    ),
    "storage": ("#8fd3c1", ("s3", "efs", "ecr", "storage", "filestore", "artifactregistry", "containerregistry")),
    "nodes": ("#7fbfe8", ("eks", "container", "launchTemplate", "DaemonSet", "Deployment")),
    "network": ("#b9d7a8", ("ec2", "network", "compute", "privatedns", "servicenetworking", "core/v1:Service")),
}
OTHER = "#ffffff"
SHOWN_NAMES = 3


class Node(Model):
    """A box: one resource, or several of a type in the same component."""

    id: str
    kind: str
    names: tuple[str, ...]
    group: str
    category: str
    protected: bool = False


class Group(Model):
    """A component with what it holds; `parent` is empty at the top."""

    id: str
    name: str
    kind: str
    parent: str = ""


class Edge(Model):
    """`source` waits for `target`, or, with a label, is joined to it."""

    source: str
    target: str
    label: str = ""


class Graph(Model):
    """Boxes, components and edges of a site's stack."""

    site: str
    title: str
    nodes: tuple[Node, ...]
    groups: tuple[Group, ...]
    edges: tuple[Edge, ...]


def graph_of(plan: Plan, resources: Iterable[Any], whole: bool = False) -> Graph:
    """Return the graph of declared resources; without `whole`, those of a type in one component are one box."""
    known = list(resources)
    components = {one.urn: one for one in known if one.component}
    groups = tuple(
        Group(id=one.urn, name=one.name, kind=one.kind, parent=one.parent if one.parent in components else "")
        for one in components.values()
    )
    boxes: dict[tuple[str, str, str], list[Any]] = {}
    for one in known:
        if not one.component and not one.kind.startswith("pulumi:"):
            group = _group(one, components, known)
            boxes.setdefault((group, one.kind, one.name if whole else ""), []).append(one)
    box_of = {one.urn: _id(place) for place, members in enumerate(boxes.values()) for one in members}
    nodes = [
        Node(
            id=_id(place),
            kind=kind,
            names=tuple(one.name for one in members),
            group=group,
            category=category_of(kind),
            protected=any(one.protected for one in members),
        )
        for place, ((group, kind, _), members) in enumerate(boxes.items())
    ]
    # What a provider of the cluster itself waits for (its address and its certificate), all that it makes waits for.
    through = {one.urn: one.needs for one in known if one.kind.startswith("pulumi:providers:")}
    pairs = {
        (box_of[one.urn], box_of[need])
        for one in known
        if one.urn in box_of
        for stated in one.needs
        for need in through.get(stated, (stated,))
        if need in box_of and box_of[need] != box_of[one.urn]
    }
    edges = [Edge(source=source, target=target) for source, target in sorted(_reduced(pairs))]
    extra_nodes, extra_groups, extra_edges = _on_site(plan, nodes)
    cloud = f", {plan.cloud.provider} {plan.cloud.region}" if plan.cloud else ""
    return Graph(
        site=plan.site,
        title=f"{plan.site}: {plan.topology.value}{cloud}; {len(known) - len(components)} resources as declared",
        nodes=(*nodes, *extra_nodes),
        groups=(*groups, *extra_groups),
        edges=(*edges, *extra_edges),
    )


def category_of(kind: str) -> str:
    """Return what a type of resource is for.

    >>> category_of("aws:kms/key:Key"), category_of("azure-native:network:Subnet")
    ('keys', 'network')
    """
    return next((name for name, (_, words) in CATEGORIES.items() if any(word in kind for word in words)), "other")


def colour_of(category: str) -> str:
    """Return the colour of a category's boxes."""
    return CATEGORIES[category][0] if category in CATEGORIES else OTHER


def label_of(node: Node) -> str:
    """Return what stands in a box: the type, how many, and the first names."""
    kind = node.kind.rsplit(":", 1)[-1]
    count = f" ({len(node.names)})" if len(node.names) > 1 else ""
    more = ", ..." if len(node.names) > SHOWN_NAMES else ""
    return f"{kind}{count}\n{', '.join(node.names[:SHOWN_NAMES])}{more}"


def _id(place: int) -> str:
    return f"box{place}"


def _group(one: Any, components: Mapping[str, Any], known: list[Any]) -> str:
    """Return the nearest component above a resource."""
    parents = {each.urn: each.parent for each in known}
    parent = one.parent
    while parent and parent not in components:
        parent = parents.get(parent, "")
    return str(parent)


def _reduced(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Leave out each edge that a longer way says already; a circle of boxes stays as it is."""
    nexts: dict[str, set[str]] = {}
    for source, target in pairs:
        nexts.setdefault(source, set()).add(target)

    def reaches(start: str, end: str) -> bool:
        seen, waiting = set(), [one for one in nexts.get(start, ()) if one != end]
        while waiting:
            here = waiting.pop()
            if here == end:
                return True
            if here not in seen and here != start:
                seen.add(here)
                waiting.extend(nexts.get(here, ()))
        return False

    return {(source, target) for source, target in pairs if not reaches(source, target)}


def _on_site(plan: Plan, nodes: list[Node]) -> tuple[list[Node], list[Group], list[Edge]]:
    """Return the site's own hosts, which no provider makes, and the tunnel that joins them to the cloud."""
    if not plan.hosts:
        return [], [], []
    group = Group(id="on-site", name="on site", kind="hosts that Ansible builds")
    by_pool: dict[str, list[str]] = {}
    for host in plan.hosts:
        by_pool.setdefault(host.node_pool, []).append(host.name)
    boxes = [
        Node(id=f"host-{pool}", kind=f"hosts:{pool}", names=tuple(names), group=group.id, category="nodes")
        for pool, names in by_pool.items()
    ]
    far = next((one.id for one in nodes if one.kind.split(":")[-1] in ("Vpc", "VirtualNetwork", "Network")), None)
    return boxes, [group], [Edge(source=boxes[0].id, target=far, label="WireGuard")] if far else []
