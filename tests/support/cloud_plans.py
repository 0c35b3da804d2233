"""Small plans of a cloud."""

from __future__ import annotations

from portolan.sizing.parts import CloudPlan, CloudPool
from portolan.sizing.quantity import Quantity


def quantity(value):
    return Quantity(value=value, unit="", binding="test", reasons=())


def pool(name, instance, cores, count, purchase="on-demand", gpus=0, gpu=""):
    return CloudPool(
        pool=name,
        purpose=name,
        instance=instance,
        count=quantity(count),
        least=count,
        most=count,
        purchase=purchase,
        disk_bytes=quantity(1024 * 2**30),
        cpu_cores=cores,
        memory_bytes=32e9,
        accelerators=gpus,
        accelerator=gpu,
    )


def plan(provider, region, *pools, zones=()):
    return CloudPlan(
        provider=provider,
        region=region,
        zones=zones,
        pools=pools,
        object_store_bytes=quantity(0),
        block_bytes=quantity(1024 * 2**30),
        shared_bytes=quantity(0),
        egress_bytes_per_month=quantity(0),
    )
