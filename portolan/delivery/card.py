"""The card at the end of `portolan up`: where everything is, and how to go on."""

from __future__ import annotations

from pathlib import Path

from portolan import paths
from portolan.conformity.reach import host_addresses
from portolan.conformity.world import NODE_PORT
from portolan.platform.access import authority_file
from portolan.sites.loader import load_site
from portolan.sites.schema import HostRole

EXAMPLE = Path(__file__).with_name("declarations-example.csv")


def endpoint(site_path: Path) -> str:
    """Return the address of the risk-scoring service of a cluster: the node port of the first worker."""
    site = load_site(site_path)
    workers = {host.name for host in site.hosts.nodes if host.role is HostRole.WORKER}
    addresses = host_addresses(site_path)
    chosen = next((one for one in addresses if one.name in workers), addresses[0])
    return f"https://{chosen.address}:{NODE_PORT}"


def text(site_path: Path, home: Path) -> str:
    """Return the card; `home` is the site file of the cluster that serves scores."""
    site, url = load_site(site_path), endpoint(home)
    where = f"{site_path} --location LOCATION" if home != site_path else str(site_path)
    example = EXAMPLE.relative_to(paths.REPOSITORY)
    simulated = sorted({name for host in site.hosts.nodes for name in host.simulated_accelerators})
    lines = [
        f"site {site.name} stands",
        f"  risk scoring   {url}/v1/models/risk-scoring:predict  (KServe V1)",
        f"                 {url}/v2/models/risk-scoring/infer    (Open Inference, V2)",
        f"  score          portolan score {site_path} {example}",
        f"  call it        curl --cacert {authority_file(load_site(home).name)} \\",
        f'                 -H "Authorization: Bearer $(portolan token {site_path})" ...',
        f"  cluster        export KUBECONFIG=$(portolan kubeconfig {where}); kubectl get nodes",
        f'  platform       eval "$(portolan env {where})"; pulumi stack',
        f"  verify again   portolan verify {site_path}",
        f"  after a change portolan up {site_path}",
        f"  take it down   portolan down {site_path}",
    ]
    if simulated:
        lines.append(
            f"  note           {', '.join(simulated)} on these hosts is simulated: it proves scheduling, not a device"
        )
    return "\n".join(lines)
