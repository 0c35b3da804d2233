"""Measures every NVIDIA GPU of the host that this runs on, through PyTorch, and prints one JSON document.

argv: seconds for all devices together. Device memory by copies of a large buffer (each byte is read and written), the
bus by copies from and to pinned memory, matrix products by precision. Times come from the device's own events, the
figure is the median.
"""

# mypy: ignore-errors
import json
import statistics
import sys

GIB = 1 << 30
SIDE = 8192  # a product of this size keeps the largest of today's devices busy for a millisecond


def timed(torch, work, seconds):
    """Return the median seconds of one call, after a warm-up, for about so many seconds."""
    for _ in range(3):
        work()
    torch.cuda.synchronize()
    times, spent = [], 0.0
    while spent < seconds or len(times) < 10:
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1000)
        spent += times[-1]
    return statistics.median(times)


def products(torch, device, seconds):
    """Return floating-point operations a second by precision."""
    found = {}
    kinds = {"fp64": torch.float64, "fp32": torch.float32, "tf32": torch.float32, "fp16": torch.float16}
    if torch.cuda.is_bf16_supported():
        kinds["bf16"] = torch.bfloat16
    for name, kind in kinds.items():
        torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
        side = SIDE // 2 if name == "fp64" else SIDE
        one, other = (torch.randn(side, side, device=device, dtype=torch.float32).to(kind) for _ in range(2))
        result = torch.empty(side, side, device=device, dtype=kind)
        found[name] = 2 * side**3 / timed(torch, lambda: torch.matmul(one, other, out=result), seconds)  # noqa: B023
    return found


def measure(torch, index, seconds):
    """Return the figures of one device."""
    torch.cuda.set_device(index)
    device, properties = f"cuda:{index}", torch.cuda.get_device_properties(index)
    free, _ = torch.cuda.mem_get_info(index)
    size = min(4 * GIB, free // 4)
    source = torch.empty(size, dtype=torch.uint8, device=device)
    target = torch.empty(size, dtype=torch.uint8, device=device)
    pinned = torch.empty(min(size, GIB), dtype=torch.uint8, pin_memory=True)
    part = source[: pinned.numel()]
    each = seconds / 9  # three transfers and up to six products, with room for warming up

    def to_device():
        part.copy_(pinned, non_blocking=True)

    def to_host():
        pinned.copy_(part, non_blocking=True)

    return {
        "name": properties.name,
        "multiprocessors": properties.multi_processor_count,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "memory_bytes_per_second": 2 * size / timed(torch, lambda: target.copy_(source), each),
        "to_device_bytes_per_second": pinned.numel() / timed(torch, to_device, each),
        "to_host_bytes_per_second": pinned.numel() / timed(torch, to_host, each),
        "operations_per_second": products(torch, device, each),
    }


def main():
    """Print the document; without PyTorch or a device it says so and ends with 3."""
    seconds = float(sys.argv[1])
    try:
        import torch
    except ImportError:
        sys.exit("PyTorch is not installed on this host")
    if not torch.cuda.is_available():
        sys.exit("PyTorch sees no CUDA device")
    count = torch.cuda.device_count()
    devices = [measure(torch, index, seconds / count) for index in range(count)]
    print(json.dumps({"torch": torch.__version__, "cuda": torch.version.cuda, "devices": devices}))


main()
