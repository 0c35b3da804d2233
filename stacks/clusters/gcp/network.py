"""A network of the region: nodes without public addresses, one way out, Google's own services without the internet."""

from __future__ import annotations

import pulumi
import pulumi_gcp.compute as compute
import pulumi_gcp.servicenetworking as servicenetworking

from stacks.clusters.rented import RentedArgs, subnets

PODS, SERVICES = "pods", "services"


class Network(pulumi.ComponentResource):
    """The network. Outputs `network_id`, `subnet_id`."""

    def __init__(self, name: str, args: RentedArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("portolan:gcp:Network", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        private, public = subnets(args.addresses, len(args.zones))
        network = compute.Network(name, name=args.name, auto_create_subnetworks=False, opts=inside)
        # A subnet of Google spans the region's zones.
        subnet = compute.Subnetwork(
            name,
            name=args.name,
            network=network.id,
            region=args.plan.region,
            ip_cidr_range=str(private[0]),
            private_ip_google_access=True,
            secondary_ip_ranges=[
                compute.SubnetworkSecondaryIpRangeArgs(range_name=PODS, ip_cidr_range=str(args.pods)),
                compute.SubnetworkSecondaryIpRangeArgs(range_name=SERVICES, ip_cidr_range=str(args.services)),
            ],
            log_config=compute.SubnetworkLogConfigArgs(
                aggregation_interval="INTERVAL_5_MIN", flow_sampling=1.0, metadata="INCLUDE_ALL_METADATA"
            ),
            opts=inside,
        )
        router = compute.Router(name, network=network.id, region=args.plan.region, opts=inside)
        compute.RouterNat(
            name,
            router=router.name,
            region=args.plan.region,
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="LIST_OF_SUBNETWORKS",
            subnetworks=[compute.RouterNatSubnetworkArgs(name=subnet.id, source_ip_ranges_to_nats=["ALL_IP_RANGES"])],
            log_config=compute.RouterNatLogConfigArgs(enable=True, filter="ERRORS_ONLY"),
            opts=inside,
        )
        # Shared files are Google's own hosts: they take their addresses from a range of this network.
        files = compute.GlobalAddress(
            f"{name}-files",
            purpose="VPC_PEERING",
            address_type="INTERNAL",
            address=str(private[1].network_address),
            prefix_length=private[1].prefixlen,
            network=network.id,
            labels=args.labels,
            opts=inside,
        )
        self.files_range = files.name
        self.peering = servicenetworking.Connection(
            name,
            network=network.id,
            service="servicenetworking.googleapis.com",
            reserved_peering_ranges=[files.name],
            opts=inside,
        )
        # The site's own ranges, and nobody else: what is not let in is refused by the network itself.
        compute.Firewall(
            name,
            network=network.id,
            direction="INGRESS",
            source_ranges=[str(args.addresses), str(args.pods)],
            allows=[compute.FirewallAllowArgs(protocol="all")],
            opts=inside,
        )
        self.network_id, self.subnet_id, self.control_plane_range = network.id, subnet.id, public[0]
        self.register_outputs({"network_id": self.network_id, "subnet_id": self.subnet_id})
