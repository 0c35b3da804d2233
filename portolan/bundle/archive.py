"""The air-gap archive: one zstd tar with the index first, then every file, each checked before anything is changed."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from portolan.bundle.build import only_one
from portolan.bundle.index import Index, digest_of_file, read_index
from portolan.bundle.lock import Lock, load_lock
from portolan.bundle.network import Sources
from portolan.bundle.processes import require_tool
from portolan.bundle.store import Product, Store
from portolan.bundle.workshop import Workshop
from portolan.errors import PortolanError
from portolan.model import Model

HEADER = "portolan-bundle.json"
COMPRESSION_LEVEL = (
    "3"  # images are mostly binaries: level 3 gives 3:1 at disk speed, 19 gains a tenth for 40 times the work
)


class Header(Model):
    """The archive's first member: what follows, and what it was made from."""

    format: int = 1
    index: Index
    products: tuple[Product, ...]


def damage(directory: Path, index: Index) -> dict[str, str]:
    """Return what is wrong with the bundle's files, by name; empty where all is well."""

    def look(name: str) -> str | None:
        path = directory / name
        if not path.is_file():
            return "is missing"
        if path.stat().st_size != index.files[name].size_bytes or digest_of_file(path) != index.files[name].sha256:
            return "has another content than the index says"
        return None

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        found = dict(zip(index.files, pool.map(look, index.files), strict=True))
    return {name: what for name, what in found.items() if what is not None}


def export_bundle(cache: Path, target: Path) -> int:
    """Write the bundle as one archive and return its size in bytes.

    Raises PortolanError where the bundle is damaged or the disk is full.
    """
    directory = cache / "bundle"
    index = read_index(directory)
    damaged = damage(directory, index)
    if damaged:
        name, what = next(iter(damaged.items()))
        raise PortolanError(str(directory / name), what, "run: portolan bundle verify, then portolan bundle build")
    digests = {entry.sha256 for entry in index.entries}
    products = [
        product
        for product in Store(cache).products()
        if not product.entries or any(entry.sha256 in digests for entry in product.entries)
    ]
    header = Header(index=index, products=tuple(products)).model_dump_json().encode()
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            part.open("wb") as output,
            _compressor(output) as stream,
            tarfile.open(fileobj=stream, mode="w|") as archive,
        ):
            member = tarfile.TarInfo(HEADER)
            member.size = len(header)
            archive.addfile(member, BytesIO(header))
            for name, file in index.files.items():
                archive.add(directory / name, name, filter=_plain)
                del file
        part.replace(target)
    except OSError as error:
        raise PortolanError(
            str(target), f"cannot be written: {error.strerror}", "free some disk space or name another place"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


def import_bundle(cache: Path, archive_path: Path) -> Index:
    """Check an archive whole, then take over its files; return the new index.

    Raises PortolanError where the archive is damaged; then nothing was changed.
    """
    if not archive_path.is_file():
        raise PortolanError(
            str(archive_path), "there is no such file", "name an archive that `portolan bundle export` wrote"
        )
    store = Store(cache)
    with only_one(cache, lambda process: None), store.workplace() as staging:
        header = _unpack(archive_path, staging)
        damaged = damage(staging, header.index)
        if damaged:
            name, what = next(iter(damaged.items()))
            raise _refused(archive_path, f"{name} {what}")
        files = {name: staging / name for name in header.index.files}
        for name, path in files.items():
            path.chmod(0o555 if header.index.files[name].executable else 0o444)
            store.add_file(path)
        for product in header.products:
            store.record(product)
        from portolan.bundle.build import Publisher

        workshop = Workshop(cache, _lock(), Sources(official=False), lambda artefact, phase: None)
        publisher = Publisher(workshop, None)
        for product in header.products:
            if product.entries:
                publisher.publish(product)
        publisher.prune({(entry.kind, entry.name) for entry in header.index.entries})
        return publisher.write()


def _lock() -> Lock:
    return load_lock()


def _refused(path: Path, what: str) -> PortolanError:
    return PortolanError(
        str(path), f"the archive is damaged: {what}; nothing was changed", "copy it again, or export it again"
    )


def _unpack(archive_path: Path, staging: Path) -> Header:
    header: Header | None = None
    try:
        with _decompressor(archive_path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                if header is None:
                    content = archive.extractfile(member) if member.name == HEADER else None
                    if content is None:
                        raise _refused(archive_path, "it does not begin with a bundle's index")
                    header = Header.model_validate_json(content.read())
                    continue
                if member.name not in header.index.files or not member.isfile():
                    raise _refused(archive_path, f"{member.name} is not in its index")
                archive.extract(member, staging, filter="data")
    except (tarfile.TarError, EOFError, ValidationError) as error:
        raise _refused(archive_path, str(error).splitlines()[0]) from error
    except OSError as error:
        if isinstance(error, tarfile.TarError):
            raise
        raise PortolanError(
            str(staging), f"cannot be written: {error.strerror or error}", "free some disk space and run again"
        ) from error
    if header is None:
        raise _refused(archive_path, "it is empty")
    return header


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who made the archive and when."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = 0
    return member


@contextlib.contextmanager
def _compressor(output: IO[bytes]) -> Iterator[IO[bytes]]:
    zstd = require_tool("zstd", "zstd")
    process = subprocess.Popen(
        [zstd, "-q", "-T0", f"-{COMPRESSION_LEVEL}", "-c"], stdin=subprocess.PIPE, stdout=output, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stderr is not None
    try:
        yield process.stdin
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        said = process.stderr.read().decode(errors="replace").strip()
        if process.wait() != 0:
            raise PortolanError("zstd", said or "failed", "free some disk space and run the same command again")


@contextlib.contextmanager
def _decompressor(path: Path) -> Iterator[IO[bytes]]:
    zstd = require_tool("zstd", "zstd")
    process = subprocess.Popen([zstd, "-q", "-dc", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        yield process.stdout
        shutil.copyfileobj(process.stdout, BytesIO())  # the tar's padding: the whole stream must decompress
        said = process.stderr.read().decode(errors="replace").strip()
        if process.wait() != 0:
            raise _refused(path, said or "it does not decompress")
    finally:
        process.stdout.close()
        process.stderr.close()
        process.kill()
        process.wait()
