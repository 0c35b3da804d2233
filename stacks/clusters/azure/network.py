"""A network in several zones: nodes in a private subnet, Azure's own services by private endpoints."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import network, privatedns

from stacks.clusters.azure.identities import Place
from stacks.clusters.rented import RentedArgs, subnets

# The names under which Azure's services answer inside a network (Azure Private Endpoint DNS zone values).
ZONES = {
    "blob": "privatelink.blob.core.windows.net",
    "file": "privatelink.file.core.windows.net",
    "vault": "privatelink.vaultcore.azure.net",
    "registry": "privatelink.azurecr.io",
}


class Network(pulumi.ComponentResource):
    """The virtual network. Outputs `network_id`, `node_subnet_id`, `api_subnet_id`."""

    def __init__(self, name: str, args: RentedArgs, place: Place, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("portolan:azure:Network", name, None, opts)
        self._name, self._place, self._inside = name, place, pulumi.ResourceOptions(parent=self)
        made = network.VirtualNetwork(
            name,
            resource_group_name=place.group,
            location=place.region,
            address_space=network.AddressSpaceArgs(address_prefixes=[str(args.addresses)]),
            tags=place.tags,
            # Subnets are resources of their own.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["subnets"]),
        )
        self.network_id = made.id
        private, public = subnets(args.addresses, len(args.zones))
        group = self._rules(str(args.addresses))
        way_out = self._way_out(name, args.zones)
        # A subnet of Azure spans the zones: nodes take the first range, Azure's endpoints and the API server two more.
        self._nodes = self._subnet("nodes", made.name, str(private[0]), group, way_out)
        api = self._subnet("api", made.name, str(public[0]), group, None, "Microsoft.ContainerService/managedClusters")
        self._endpoints = self._subnet("endpoints", made.name, str(private[1]), group, None)
        # Azure changes one subnet of a network at a time.
        self.node_subnet_id, self.api_subnet_id = self._nodes.id, api.id
        self._zones = {one: self._private_zone(one, zone) for one, zone in ZONES.items()}
        self.register_outputs({"network_id": self.network_id, "node_subnet_id": self.node_subnet_id})

    def reach(self, name: str, service: str, target: pulumi.Input[str]) -> network.PrivateDnsZoneGroup:
        """Give a service of Azure an address in the network, under the name by which it is called."""
        groups = {"vault": "vault", "registry": "registry", "blob": "blob", "file": "file"}
        endpoint = network.PrivateEndpoint(
            name,
            resource_group_name=self._place.group,
            location=self._place.region,
            subnet=network.SubnetArgs(id=self._endpoints.id),
            private_link_service_connections=[
                network.PrivateLinkServiceConnectionArgs(
                    name=service, private_link_service_id=target, group_ids=[groups[service]]
                )
            ],
            tags=self._place.tags,
            opts=self._inside,
        )
        return network.PrivateDnsZoneGroup(
            name,
            resource_group_name=self._place.group,
            private_endpoint_name=endpoint.name,
            private_dns_zone_configs=[
                network.PrivateDnsZoneConfigArgs(name=service, private_dns_zone_id=self._zones[service].id)
            ],
            opts=self._inside,
        )

    def _rules(self, inside: str) -> network.NetworkSecurityGroup:
        def rule(name: str, priority: int, access: network.SecurityRuleAccess, source: str) -> network.SecurityRuleArgs:
            return network.SecurityRuleArgs(
                name=name,
                priority=priority,
                direction=network.SecurityRuleDirection.INBOUND,
                access=access,
                protocol=network.SecurityRuleProtocol.ASTERISK,
                source_address_prefix=source,
                source_port_range="*",
                destination_address_prefix="*",
                destination_port_range="*",
            )

        return network.NetworkSecurityGroup(
            self._name,
            resource_group_name=self._place.group,
            location=self._place.region,
            security_rules=[
                rule("site", 100, network.SecurityRuleAccess.ALLOW, inside),
                rule("health-probes", 110, network.SecurityRuleAccess.ALLOW, "AzureLoadBalancer"),
                rule("everybody-else", 4000, network.SecurityRuleAccess.DENY, "*"),
            ],
            tags=self._place.tags,
            opts=self._inside,
        )

    def _way_out(self, name: str, zones: tuple[str, ...]) -> network.NatGateway:
        """Make the way out: its address is in all zones; the gateway itself stands where Azure puts it."""
        address = network.PublicIPAddress(
            name,
            resource_group_name=self._place.group,
            location=self._place.region,
            public_ip_allocation_method=network.IPAllocationMethod.STATIC,
            sku=network.PublicIPAddressSkuArgs(name=network.PublicIPAddressSkuName.STANDARD),
            zones=list(zones),
            tags=self._place.tags,
            opts=self._inside,
        )
        return network.NatGateway(
            name,
            resource_group_name=self._place.group,
            location=self._place.region,
            sku=network.NatGatewaySkuArgs(name=network.NatGatewaySkuName.STANDARD),
            public_ip_addresses=[network.SubResourceArgs(id=address.id)],
            tags=self._place.tags,
            opts=self._inside,
        )

    def _subnet(
        self,
        name: str,
        network_name: pulumi.Output[str],
        addresses: str,
        group: network.NetworkSecurityGroup,
        way_out: network.NatGateway | None,
        delegated: str = "",
    ) -> network.Subnet:
        before = getattr(self, "_last", None)
        made = network.Subnet(
            name,
            resource_group_name=self._place.group,
            virtual_network_name=network_name,
            subnet_name=name,
            address_prefix=addresses,
            default_outbound_access=False,
            network_security_group=network.NetworkSecurityGroupArgs(id=group.id),
            nat_gateway=network.SubResourceArgs(id=way_out.id) if way_out else None,
            delegations=[network.DelegationArgs(name="managed", service_name=delegated)] if delegated else None,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[before] if before else []),
        )
        self._last = made
        return made

    def _private_zone(self, name: str, zone: str) -> privatedns.PrivateZone:
        made = privatedns.PrivateZone(
            name,
            resource_group_name=self._place.group,
            location="global",
            private_zone_name=zone,
            tags=self._place.tags,
            opts=self._inside,
        )
        privatedns.VirtualNetworkLink(
            name,
            resource_group_name=self._place.group,
            location="global",
            private_zone_name=made.name,
            registration_enabled=False,
            virtual_network=privatedns.SubResourceArgs(id=self.network_id),
            tags=self._place.tags,
            opts=self._inside,
        )
        return made
