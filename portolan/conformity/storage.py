"""Shared storage: network file systems as hosts have them mounted, and the object store under several at once."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from portolan.conformity.check import Check, Needs, Reading, nothing
from portolan.conformity.depth import Depth, by_depth
from portolan.conformity.disks import FILE_BYTES, read_transfer
from portolan.conformity.probe import Probe, UnreadableOutputError
from portolan.conformity.store import object_store

if TYPE_CHECKING:
    from portolan.conformity.world import World

MEBIBYTE = 1 << 20
OBJECT_BYTES = 4 * MEBIBYTE
OBJECTS = 16
BUCKET, PREFIX = "models", "probe/rate"
AT_ONCE = {"one": 1, "eight": 8}
NO_MOUNT = "no network file system (NFS) is mounted on this host"


def read_mounts(output: str) -> Mapping[str, Reading]:
    """Return the oldest version of NFS among the mounts, and what the largest of them holds.

    A line is "TYPE SIZE-IN-BYTES PLACE OPTIONS"; the last line says that the list is whole.
    """
    *lines, last = output.strip().splitlines() or [""]
    if last != "mounts-end":
        raise UnreadableOutputError("the list of mounts was not read to its end")
    if not lines:
        return {"version": nothing(NO_MOUNT), "size": nothing(NO_MOUNT)}
    versions, sizes = [], []
    for line in lines:
        kind, size, place, options = line.split(" ", 3)
        found = re.search(r"\bvers=(\d+(?:\.\d+)?)", options)
        if found is None or not size.isdigit():
            raise UnreadableOutputError(f"a mount {line[:60]!r}")
        versions.append((float(found.group(1)), f"{place} {kind} {found.group(1)}"))
        sizes.append((float(size), place))
    return {
        "version": Reading(min(versions)[0], detail=", ".join(text for _, text in versions)),
        "size": Reading(max(sizes)[0], detail=max(sizes)[1]),
    }


MOUNTS = Probe(
    "mounts",
    "findmnt",
    lambda depth, seconds: (
        "sh", "-c",
        "findmnt --noheadings --raw --bytes --types nfs,nfs4 --output FSTYPE,SIZE,TARGET,OPTIONS; echo mounts-end",
    ),
    read_mounts,
    package="util-linux",
)  # fmt: skip
# $1: read or write, $2: seconds. In a directory of its own on the largest NFS mount, which goes afterwards.
ON_MOUNT = f"""
place=$(findmnt --noheadings --raw --bytes --types nfs,nfs4 --output SIZE,TARGET | sort -rn | head -n 1 | cut -d' ' -f2)
[ -n "$place" ] || {{ echo '{NO_MOUNT}' >&2; exit 3; }}
free=$(df -B1 --output=avail "$place" | tail -n 1)
[ "$free" -gt {20 * FILE_BYTES} ] || {{ echo "$place has $free bytes free, too few to write to" >&2; exit 4; }}
own=$(mktemp -d "$place/portolan-measure.XXXXXX") || exit 5
trap 'cd /; rm -rf "$own"' EXIT
cd "$own" && fio --name=shared --directory=. --size={FILE_BYTES} --rw="$1" --bs=1m --ioengine=libaio --direct=1 \
  --iodepth=16 --runtime="$2" --time_based --numjobs="$3" --group_reporting --output-format=json
"""
SEVERAL = 8  # readers and writers at once, on one host; files of their own lie side by side


def _on_mount(direction: str, jobs: int = 1) -> Probe:
    return Probe(
        f"shared-{direction}",
        "fio",
        lambda depth, seconds: ("sh", "-c", ON_MOUNT, "sh", direction, f"{seconds:.0f}", str(jobs)),
        read_transfer(direction) if direction in ("read", "write") else read_both,
        seconds=by_depth(5, burn_in=300),
        alone=True,
    )


def read_both(output: str) -> Mapping[str, Reading]:
    """Return the bytes a second that readers and writers moved together."""
    sides = [read_transfer(direction)(output)["rate"] for direction in ("read", "write")]
    read, written = (float(side.value or 0.0) for side in sides)
    return {"rate": Reading(read + written, detail=f"{read:.4g} read and {written:.4g} written by {SEVERAL} at once")}


SHARED_READ, SHARED_WRITE = _on_mount("read"), _on_mount("write")
SHARED_SEVERAL = _on_mount("rw", SEVERAL)


def rate_of(calls: int, seconds: float, size: int, at_once: int) -> Reading:
    """Return bytes a second of so many transfers.

    >>> rate_of(10, 2.0, 1000, 4).value
    5000.0
    """
    if seconds <= 0:
        return nothing("the clock did not move")
    return Reading(calls * size / seconds, detail=f"{calls} objects of {size} bytes, {at_once} at once")


def _timed(client: Any, names: list[str], at_once: int, transfer: Callable[[Any, str], None]) -> Reading:
    begin = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda name: transfer(client, name), names))
    return rate_of(len(names), time.perf_counter() - begin, OBJECT_BYTES, at_once)


def object_rates(world: World) -> dict[str, Reading]:
    """Return the rates of put and get, one at a time and eight at once; what was put is deleted."""

    def try_out() -> dict[str, Reading]:
        client, body, found = object_store(world), secrets.token_bytes(OBJECT_BYTES), {}
        folder = f"{PREFIX}-{secrets.token_hex(8)}"
        for label, at_once in AT_ONCE.items():
            names = [f"{folder}/{label}-{number}" for number in range(OBJECTS)]
            try:
                found[f"put/{label}"] = _timed(client, names, at_once, lambda c, name: _put(c, name, body))
                found[f"get/{label}"] = _timed(client, names, at_once, lambda c, name: _get(c, name, body))
            finally:
                client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": name} for name in names]})
        return found

    return world.remember("object-rates", try_out)


def _put(client: Any, name: str, body: bytes) -> None:
    client.put_object(Bucket=BUCKET, Key=name, Body=body)


def _get(client: Any, name: str, body: bytes) -> None:
    if client.get_object(Bucket=BUCKET, Key=name)["Body"].read() != body:
        raise LookupError(f"{name}: other bytes came back than were put")


def _object_check(direction: str) -> Check:
    return Check(
        f"platform.object-store-{direction}-rate",
        f"{OBJECTS} objects of {OBJECT_BYTES // MEBIBYTE} MiB through a forwarded port; `one`: one after the other, "
        "`eight`: eight at once",
        "bytes/s",
        f"S3 {direction}",
        lambda world, subject, statistic: object_rates(world)[f"{direction}/{statistic}"],
        statistics=tuple(AT_ONCE),
        depth=Depth.STANDARD,
        ground="measured",
        needs=Needs(alone=True, seconds=by_depth(10), shares="object-rates"),
    )


CHECKS = (
    MOUNTS.check("host.shared-storage-version", "oldest version of NFS among the mounts", "NFS version", "version",
                 "inspected"),
    MOUNTS.check("host.shared-storage-bytes", "size of the largest NFS mount", "bytes", "size", "inspected"),
    SHARED_READ.check("host.shared-storage-read", "blocks of 1 MiB, 16 at once, on the largest NFS mount", "bytes/s",
                      "rate"),
    SHARED_WRITE.check("host.shared-storage-write", "blocks of 1 MiB, 16 at once, on the largest NFS mount", "bytes/s",
                       "rate"),
    SHARED_SEVERAL.check("host.shared-storage-several",
                         f"{SEVERAL} readers and writers at once on the largest NFS mount", "bytes/s", "rate"),
    _object_check("put"),
    _object_check("get"),
)  # fmt: skip
