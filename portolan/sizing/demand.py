"""Images, questions, events and notebooks to GPUs, brokers, cores and bytes."""

from __future__ import annotations

import math

from portolan.requirements.schema import Requirements
from portolan.sites.schema import Site
from portolan.sizing.plan import (
    AcceleratorPlan,
    BackupPlan,
    MonitoringPlan,
    NotebookPlan,
    Quantity,
    Reason,
    RegistryPlan,
    StreamingPlan,
)
from portolan.sizing.reasons import constant, decide, formula, required, weigh

ASSUMED = "planning assumption of this kit, to be replaced by a measurement"
# Detector images a second for each dense FP16 TFLOP/s: MLPerf Inference 2.1 to 4.0 (RetinaNet, Offline) has 1.5 to
# 2.3, see benchmarks/sizing/mlperf.yaml. What a service reaches of it, and how full it may run, are assumptions.
IMAGES_PER_TERAFLOP, EFFICIENCY, CEILING = 1.8, 0.35, 0.70
IMAGES_PER_TERAFLOP_RANGE = (1.2, IMAGES_PER_TERAFLOP, 2.7)
TILE_PIXELS = 800 * 800
TRAINING_UTILISATION = 0.4
# Llama 3 8B: 2 * 32 layers * 8 key-value heads * 128 * 2 bytes a token (its published configuration).
CACHE_BYTES_8B, CACHE_EXPONENT = 131_072, 0.4225  # the exponent meets the 70B configuration, 327,680 bytes
GIBIBYTE = 2**30


@formula("xray.gpus", "ceil(images/s * views * tiles / (1.8 * TFLOP/s * 0.35 * 0.70)) + 1", ASSUMED)
def xray_gpus(images_per_second: float, views: float, tiles: float, teraflops: float) -> float:
    """Return the GPUs that scanner images keep busy, with one of reserve; none without images."""
    if images_per_second <= 0:
        return 0.0
    return math.ceil(images_per_second * views * tiles / (IMAGES_PER_TERAFLOP * teraflops * EFFICIENCY * CEILING)) + 1


@formula("language.concurrency", "users * active * requests/h * latency / 3600", "Little's law")
def concurrency(users: float, active: float, requests_per_hour: float, latency_seconds: float) -> float:
    """Return the answers that are written at the same time.

    >>> concurrency(1000, 0.2, 6, 30)
    10.0
    """
    return users * active * requests_per_hour * latency_seconds / 3600


@formula("language.arrivals", "users * active * requests/h / 3600", "the questions of those who are at work")
def questions_per_second(users: float, active: float, requests_per_hour: float) -> float:
    """Return the questions a second.

    >>> questions_per_second(1000, 0.2, 36)
    2.0
    """
    return users * active * requests_per_hour / 3600


@formula("language.cache-bytes", "131,072 * (billions / 8)^0.4225", "Llama 3 configurations, 8B and 70B, FP16")
def cache_bytes_per_token(billions: float) -> float:
    """Return the bytes of key-value cache that one token takes."""
    return float(CACHE_BYTES_8B * (billions / 8) ** CACHE_EXPONENT)


@formula(
    "language.gpus",
    "ceil((2 B * parameters + concurrency * tokens * cache) / (0.9 * memory - 3.5 GiB))",
    "weights and key-value cache in GPU memory; 3.5 GiB a GPU for the runtime",
)
def language_gpus(concurrent: float, billions: float, tokens: float, cache_bytes: float, gpu_bytes: float) -> float:
    """Return the GPUs whose memory holds the weights and all conversations; none without users."""
    if concurrent <= 0:
        return 0.0
    needed = 2e9 * billions + math.ceil(concurrent) * tokens * cache_bytes
    return float(math.ceil(needed / (0.9 * gpu_bytes - 3.5 * GIBIBYTE)))


@formula(
    "training.language-hours",
    "k * parameters * tokens / (peak * 0.4 * 3600), k = 6 for all weights, 4 for adapters",
    "floating-point operations of a transformer's training (Kaplan et al. 2020, section 2.1)",
)
def language_training_hours(billions: float, tokens: float, factor: float, teraflops: float) -> float:
    """Return the GPU-hours of one run."""
    return factor * billions * 1e9 * tokens / (teraflops * 1e12 * TRAINING_UTILISATION * 3600)


@formula("training.vision-hours", "images * epochs / (1.8 * TFLOP/s * 0.35 / 3) / 3600", ASSUMED)
def vision_training_hours(images: float, epochs: float, teraflops: float) -> float:
    """Return the GPU-hours of one run; backward and forward pass cost three times the forward pass."""
    return images * epochs / (IMAGES_PER_TERAFLOP * teraflops * EFFICIENCY / 3) / 3600


@formula("training.gpus", "max over jobs of ceil(GPU-hours / hours allowed)", "jobs run one after the other")
def training_gpus(gpu_hours: float, hours: float) -> float:
    """Return the GPUs with which a run ends in its time."""
    return float(math.ceil(gpu_hours / hours))


@formula("kafka.brokers", "max(3, ceil(MB/s * (3 copies + 2 readers) / 100) + 1)", ASSUMED)
def kafka_brokers(megabytes_per_second: float) -> float:
    """Return the brokers: three copies need three, and one may be lost; none without events."""
    if megabytes_per_second <= 0:
        return 0.0
    return float(max(3, math.ceil(megabytes_per_second * 5 / 100) + 1))


@formula("kafka.disk", "bytes/s * retention * 3 / 0.70 / brokers", "three copies, disks filled to 70 %")
def kafka_disk(bytes_per_second: float, hours: float, brokers: float) -> float:
    """Return the disk of each broker."""
    return bytes_per_second * hours * 3600 * 3 / 0.70 / brokers if brokers else 0.0


@formula("spark.cores", "ceil(bytes / (window * 30 MB/s))", "20 to 50 MB/s a core; " + ASSUMED)
def spark_cores(gigabytes: float, hours: float) -> float:
    """Return the cores with which the batch ends in its window."""
    return float(math.ceil(gigabytes * 1e9 / (hours * 3600 * 30e6)))


@formula("nifi.nodes", "ceil(MB/s / 100)", "100 MB/s a node, conservative; " + ASSUMED)
def nifi_nodes(megabytes_per_second: float) -> float:
    """Return the nodes that take in what arrives; none where nothing does."""
    return float(math.ceil(megabytes_per_second / 100))


@formula("demand.product", "product of the inputs", "arithmetic")
def product(first: float, second: float) -> float:
    """Return the product of two numbers."""
    return first * second


@formula("backup.bytes", "kept * 1.5", "one full copy, and increments of half its size; " + ASSUMED)
def backup_bytes(kept: float) -> float:
    """Return what the backup store holds."""
    return kept * 1.5


@formula("backup.link", "8 * kept / (recovery time * 3600)", "all data are back within the recovery time")
def restore_bits(kept: float, hours: float) -> float:
    """Return the bits a second at which a restore ends in time."""
    return 8 * kept / (hours * 3600)


@formula(
    "monitoring.metrics", "retention * samples/s * 2 B", "Prometheus documentation, Storage: 1 to 2 bytes a sample"
)
def metrics_bytes(samples_per_second: float, days: float) -> float:
    """Return the disk of the metrics."""
    return samples_per_second * days * 86_400 * 2


def accelerator_plan(site: Site, model: str, teraflops: float, gpu_bytes: float) -> AcceleratorPlan:
    """Return the site's GPUs of one model."""
    load = site.workload
    tiles = math.ceil(load.xray_width_pixels * load.xray_height_pixels / TILE_PIXELS)
    rate = weigh(
        "declarations.arrivals",
        declarations_per_day=load.xray_images_per_day,
        peak_factor=load.peak_factor,
        hours=load.working_hours_per_day,
    )
    asked = weigh(
        "language.concurrency",
        users=load.language_model_users,
        active=load.language_model_active_share,
        requests_per_hour=load.language_model_requests_per_hour,
        latency_seconds=load.language_model_latency_seconds,
    )
    billions = load.language_model_parameters_billions
    xray = decide(
        "GPU", weigh("xray.gpus", images_per_second=rate, views=load.xray_views, tiles=tiles, teraflops=teraflops)
    )
    language = decide(
        "GPU",
        weigh(
            "language.gpus",
            concurrent=asked,
            billions=billions,
            tokens=load.language_model_prompt_tokens + load.language_model_answer_tokens,
            cache_bytes=weigh("language.cache-bytes", billions=billions),
            gpu_bytes=gpu_bytes,
        ),
    )
    training = decide("GPU", constant("training.none", 0.0, "no job needs a GPU"), *_training(site, teraflops))
    total = xray.value + language.value + training.value
    return AcceleratorPlan(
        model=model,
        xray=xray,
        language_model=language,
        training=training,
        total=decide(
            "GPU",
            constant(
                "accelerators.sum",
                total,
                "images, language model and training together",
                xray=xray,
                language_model=language,
                training=training,
            ),
        ),
    )


def _training(site: Site, teraflops: float) -> list[Reason]:
    reasons = []
    for job in site.workload.training_jobs:
        if job.tokens is not None:
            hours = weigh(
                "training.language-hours",
                billions=job.parameters_billions,
                tokens=job.tokens,
                factor=4 if job.adapters_only else 6,
                teraflops=teraflops,
            )
        elif job.images is not None:
            hours = weigh("training.vision-hours", images=job.images, epochs=job.epochs, teraflops=teraflops)
        else:
            continue
        reasons.append(weigh("training.gpus", gpu_hours=hours, hours=job.hours_per_run))
    return reasons


def _spark_minimum(requirements: Requirements, row: str, batch: float) -> tuple[Reason, ...]:
    """Return the report's smallest Spark cluster: its nodes times what each has; none without a batch."""
    if batch <= 0:
        return ()
    nodes, each = required(requirements.get("SPK-9.9.1-01")), required(requirements.get(row))
    found = weigh("demand.product", first=nodes, second=each)
    return (found.model_copy(update={"requirement": row, "source": each.source}),)


def streaming_plan(site: Site, requirements: Requirements) -> StreamingPlan:
    """Return Kafka, NiFi and Spark; zero where the load has no events, files or batches."""
    load = site.workload
    rate = load.tracking_events_per_second * load.tracking_event_bytes
    brokers = decide("brokers", weigh("kafka.brokers", megabytes_per_second=rate / 1e6))
    some = float(bool(brokers.value))
    files = (
        (load.structured_gigabytes_per_day + load.unstructured_gigabytes_per_day)
        * 1000
        * load.peak_factor
        / (load.working_hours_per_day * 3600)
    )
    cores = decide(
        "cores",
        weigh("spark.cores", gigabytes=load.batch_gigabytes, hours=load.batch_hours),
        *_spark_minimum(requirements, "SPK-9.9.1-02", load.batch_gigabytes),
    )
    return StreamingPlan(
        kafka_brokers=brokers,
        kafka_broker_cores=decide("cores", constant("kafka.cores", 4 * some, ASSUMED)),
        kafka_broker_memory_bytes=decide("bytes", constant("kafka.memory", 16e9 * some, ASSUMED)),
        kafka_broker_disk_bytes=decide(
            "bytes",
            weigh("kafka.disk", bytes_per_second=rate, hours=load.tracking_retention_hours, brokers=brokers),
        ),
        kafka_partitions=decide("partitions", constant("kafka.partitions", 12 * brokers.value, ASSUMED)),
        nifi_nodes=decide("nodes", weigh("nifi.nodes", megabytes_per_second=files)),
        spark_cores=cores,
        spark_memory_bytes=decide(
            "bytes",
            weigh("demand.product", first=cores, second=4e9),
            *_spark_minimum(requirements, "SPK-9.9.1-03", load.batch_gigabytes),
        ),
    )


def notebook_plan(site: Site) -> NotebookPlan:
    """Return the notebooks of those who work at once; 128 MB each for JupyterHub's own processes."""
    load = site.workload
    at_once = float(math.ceil(load.data_scientists * load.notebook_share))
    return NotebookPlan(
        concurrent=decide("notebooks", constant("notebooks.concurrent", at_once, "data scientists * share at once")),
        cpu_cores=decide("cores", weigh("demand.product", first=at_once, second=load.notebook_cores)),
        memory_bytes=decide(
            "bytes", weigh("demand.product", first=at_once, second=load.notebook_gigabytes * 1e9 + 128e6)
        ),
        disk_bytes=decide("bytes", weigh("demand.product", first=float(load.data_scientists), second=20e9)),
    )


def backup_plan(site: Site, kept: float) -> BackupPlan:
    """Return the backup's size, and the link that brings the data back in time."""
    return BackupPlan(
        stored_bytes=decide("bytes", weigh("backup.bytes", kept=kept)),
        link_bits_per_second=decide("bits/s", weigh("backup.link", kept=kept, hours=site.workload.recovery_time_hours)),
    )


def registry_plan() -> RegistryPlan:
    """Return the registry's size."""
    return RegistryPlan(stored_bytes=decide("bytes", constant("registry.bytes", 200e9, ASSUMED)))


def monitoring_plan(nodes: float) -> MonitoringPlan:
    """Return what watching the platform takes: 3,000 series a node, read each 30 s, kept 30 days."""
    samples: Quantity = decide("samples/s", weigh("demand.product", first=nodes, second=100.0))
    return MonitoringPlan(
        samples_per_second=samples,
        metrics_bytes=decide("bytes", weigh("monitoring.metrics", samples_per_second=samples.value, days=30.0)),
        logs_bytes=decide("bytes", weigh("demand.product", first=nodes, second=30e9)),
        memory_bytes=decide("bytes", weigh("demand.product", first=nodes, second=0.3e9)),
    )
