"""A network in several zones: nodes in private subnets, one way out a zone, AWS's own services without the internet."""

from __future__ import annotations

import pulumi
import pulumi_aws.ec2 as ec2

from stacks.clusters.rented import RentedArgs, subnets

# What nodes without a public address need of AWS: images, disks, identities, logs.
INTERFACE_SERVICES = ("ec2", "ecr.api", "ecr.dkr", "sts", "logs", "eks", "eks-auth", "elasticfilesystem")


class Network(pulumi.ComponentResource):
    """The VPC. Outputs `vpc_id`, `private_subnet_ids`."""

    vpc_id: pulumi.Output[str]
    private_subnet_ids: list[pulumi.Output[str]]

    def __init__(self, name: str, args: RentedArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("portolan:aws:Network", name, None, opts)
        self._args, self._inside = args, pulumi.ResourceOptions(parent=self)
        self.vpc = ec2.Vpc(
            name,
            cidr_block=str(args.addresses),
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=args.tags,
            opts=self._inside,
        )
        # Without rules: what names no security group of its own can neither send nor receive.
        ec2.DefaultSecurityGroup(f"{name}-default", vpc_id=self.vpc.id, tags=args.tags, opts=self._inside)
        gateway = ec2.InternetGateway(name, vpc_id=self.vpc.id, tags=args.tags, opts=self._inside)
        outside = self._routes("public", gateway_id=gateway.id)
        private, public = subnets(args.addresses, len(args.zones))
        self.private_subnet_ids = []
        tables: list[pulumi.Output[str]] = []
        for zone, inner, outer in zip(args.zones, private, public, strict=True):
            entry = self._subnet(f"public-{zone}", zone, str(outer), "kubernetes.io/role/elb")
            self._join(f"public-{zone}", entry, outside)
            address = ec2.Eip(f"{name}-{zone}", domain="vpc", tags=args.tags, opts=self._inside)
            way_out = ec2.NatGateway(
                f"{name}-{zone}", subnet_id=entry.id, allocation_id=address.id, tags=args.tags, opts=self._inside
            )
            table = self._routes(f"private-{zone}", nat_gateway_id=way_out.id)
            subnet = self._subnet(f"private-{zone}", zone, str(inner), "kubernetes.io/role/internal-elb")
            self._join(f"private-{zone}", subnet, table)
            self.private_subnet_ids.append(subnet.id)
            tables.append(table.id)
        self._services(tables)
        self.vpc_id = self.vpc.id
        self.register_outputs({"vpc_id": self.vpc_id, "private_subnet_ids": self.private_subnet_ids})

    def _subnet(self, name: str, zone: str, addresses: str, role: str) -> ec2.Subnet:
        return ec2.Subnet(
            name,
            vpc_id=self.vpc.id,
            availability_zone=zone,
            cidr_block=addresses,
            map_public_ip_on_launch=False,
            tags={**self._args.tags, role: "1"},
            opts=self._inside,
        )

    def _routes(
        self,
        name: str,
        gateway_id: pulumi.Input[str] | None = None,
        nat_gateway_id: pulumi.Input[str] | None = None,
    ) -> ec2.RouteTable:
        route = ec2.RouteTableRouteArgs(cidr_block="0.0.0.0/0", gateway_id=gateway_id, nat_gateway_id=nat_gateway_id)
        return ec2.RouteTable(name, vpc_id=self.vpc.id, routes=[route], tags=self._args.tags, opts=self._inside)

    def _join(self, name: str, subnet: ec2.Subnet, table: ec2.RouteTable) -> None:
        ec2.RouteTableAssociation(name, subnet_id=subnet.id, route_table_id=table.id, opts=self._inside)

    def _services(self, tables: list[pulumi.Output[str]]) -> None:
        region = self._args.plan.region
        ec2.VpcEndpoint(
            "s3",
            vpc_id=self.vpc.id,
            service_name=f"com.amazonaws.{region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=tables,
            tags=self._args.tags,
            opts=self._inside,
        )
        group = ec2.SecurityGroup(
            "endpoints",
            vpc_id=self.vpc.id,
            description="HTTPS from the site's own network to AWS services, and NFS to shared files",
            ingress=[
                ec2.SecurityGroupIngressArgs(
                    protocol="tcp", from_port=port, to_port=port, cidr_blocks=[str(self._args.addresses)]
                )
                for port in (443, 2049)
            ],
            tags=self._args.tags,
            opts=self._inside,
        )
        self.services_group = group
        for service in INTERFACE_SERVICES:
            ec2.VpcEndpoint(
                service,
                vpc_id=self.vpc.id,
                service_name=f"com.amazonaws.{region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=self.private_subnet_ids,
                security_group_ids=[group.id],
                tags=self._args.tags,
                opts=self._inside,
            )
