"""The parts of the plan beside pools, services, storage and network."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Literal

from portolan.model import Model
from portolan.sites.cloud import Provider
from portolan.sizing.quantity import Quantity

Purpose = Literal["control-plane", "system", "cpu", "gpu", "training", "storage"]


class AcceleratorPlan(Model):
    """GPUs of the whole site, by what they work for; `model` is the catalogue's name of the GPU that was chosen."""

    model: str
    xray: Quantity
    language_model: Quantity
    training: Quantity
    total: Quantity


class StreamingPlan(Model):
    """Events and batches: Kafka, NiFi and Spark. Quantities per broker or node, where the name says so."""

    kafka_brokers: Quantity
    kafka_broker_cores: Quantity
    kafka_broker_memory_bytes: Quantity
    kafka_broker_disk_bytes: Quantity
    kafka_partitions: Quantity
    nifi_nodes: Quantity
    spark_cores: Quantity
    spark_memory_bytes: Quantity


class BackupPlan(Model):
    """What is copied away, and how fast it must come back."""

    stored_bytes: Quantity
    link_bits_per_second: Quantity


class RegistryPlan(Model):
    """Container images and model versions."""

    stored_bytes: Quantity


class NotebookPlan(Model):
    """Notebooks of the data scientists who work at once."""

    concurrent: Quantity
    cpu_cores: Quantity
    memory_bytes: Quantity
    disk_bytes: Quantity


class MonitoringPlan(Model):
    """Metrics and logs of the platform itself."""

    samples_per_second: Quantity
    metrics_bytes: Quantity
    logs_bytes: Quantity
    memory_bytes: Quantity


class TrafficPlan(Model):
    """Traffic by direction, at the peak."""

    east_west_bits_per_second: Quantity  # between nodes: of the busiest node
    north_south_bits_per_second: Quantity  # in and out of the site
    vpn_bits_per_second: Quantity  # between the site and the cloud, or the disaster recovery site
    egress_bytes_per_month: Quantity  # what a cloud bills


class SparesPlan(Model):
    """Parts on the shelf."""

    disks: Quantity
    power_supplies: Quantity
    network_ports: Quantity


class FacilityPlan(Model):
    """What the machine room must give."""

    power_watts: Quantity  # at full load, of the equipment alone
    energy_kilowatt_hours_per_year: Quantity  # at the average load, with cooling
    racks: Quantity
    rack_units: Quantity
    carbon_kilograms_per_year: Quantity


class HardwareItem(Model):
    """Hardware that was chosen from the catalogue, for a purpose."""

    purpose: Purpose | Literal["switch", "object-store", "shared-files", "rack", "backup"]
    item: str  # id in the catalogue
    name: str
    count: Quantity


class CloudPool(Model):
    """Nodes of one instance type in the cloud. `least` and `most` bound the automatic scaling around `count`."""

    pool: str  # "system", "cpu", "gpu", "training"
    purpose: Purpose
    instance: str
    count: Quantity
    least: int
    most: int
    purchase: Literal["reserved", "on-demand", "interruptible"]
    disk_bytes: Quantity
    cpu_cores: float  # of one instance
    memory_bytes: float  # of one instance
    accelerators: int = 0  # of one instance
    accelerator: str = ""  # the GPU's name in the catalogue
    hours_per_month: float = 730.0  # in which `count` nodes run


class CloudPlan(Model):
    """The rented part of the platform."""

    provider: Provider
    region: str
    zones: tuple[str, ...]
    pools: tuple[CloudPool, ...]
    object_store_bytes: Quantity
    block_bytes: Quantity
    shared_bytes: Quantity
    egress_bytes_per_month: Quantity
    # The site's rules for place and money, which the stack carries into every resource.
    addresses: IPv4Network = IPv4Network("10.64.0.0/16")
    allowed_regions: tuple[str, ...] = ()  # empty: only `region`
    cost_centre: str = ""
    monthly_budget_dollars: float | None = None
    alarm_addresses: tuple[str, ...] = ()
    reserved_years: Literal[0, 1, 3] = 1

    def pool(self, name: str) -> CloudPool:
        """Return the pool called `name`.

        Raises KeyError where there is none.
        """
        for pool in self.pools:
            if pool.pool == name:
                return pool
        raise KeyError(name)


class YearPlan(Model):
    """The main quantities in one year of the horizon, at its end."""

    year: int
    arrivals_per_second: Quantity
    cpu_cores: Quantity
    memory_bytes: Quantity
    accelerators: Quantity
    object_store_bytes: Quantity
