"""The hosts' common lower layer: the bundle's Debian root, unpacked once a content into the cache."""

from __future__ import annotations

import fcntl
import hashlib
import json
from pathlib import Path

from portolan.errors import PortolanError
from portolan.sandbox import mounts, places
from portolan.sandbox.processes import run


def archive() -> Path:
    """Return the bundle's archive of a bare host's root.

    Raises PortolanError where the bundle has none.
    """
    path = places.bundle() / "roots" / "host.tar"
    if not path.is_file():
        raise PortolanError(str(path), "the bundle has no host root", "run `portolan bundle build` first")
    return path


def digest(path: Path) -> str:
    """Return the archive's content digest (SHA-256, 16 hexadecimal digits), read once for each size and time."""
    status = path.stat()
    stamp = [str(path), status.st_size, status.st_mtime_ns, status.st_ino]
    memory = places.roots_cache() / "digest.json"
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
        if known["stamp"] == stamp:
            return str(known["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nothing remembered: read the archive
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    places.write_if_changed(memory, json.dumps({"stamp": stamp, "digest": found}) + "\n")
    return found


def unpacked(content: str) -> Path:
    """Return the directory that holds the root of this content."""
    return places.roots_cache() / content


def ensure() -> str:
    """Unpack the bundle's root unless its content lies in the cache already; return the content's digest.

    Two sandboxes may ask at once; a half-unpacked root of a killed run is thrown away.
    """
    source = archive()
    cache = places.roots_cache()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        content = digest(source)
        target = unpacked(content)
        if target.is_dir():
            return content
        for partial in cache.glob("*.partial"):
            mounts.remove_tree(partial)
        partial = cache / f"{content}.partial"
        partial.mkdir()
        run(
            [
                *("tar", "--extract", "--file", str(source), "--directory", str(partial)),
                *("--preserve-permissions", "--same-owner", "--numeric-owner", "--xattrs", "--xattrs-include=*"),
            ],
            remedy="free some disk space, or make the bundle anew (`portolan bundle build`)",
            timeout_seconds=600,
        )
        if not (partial / "usr/lib/systemd/systemd").exists() or not (partial / "usr/sbin/sshd").exists():
            raise PortolanError(
                str(source), "holds no Debian root with systemd and sshd", "make the bundle anew: portolan bundle build"
            )
        partial.rename(target)
        return content
