"""Official binaries: from a mirror or the publisher, checked against the lock or the publisher's checksum file."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from portolan.bundle.lock import Binary
from portolan.bundle.network import NotAvailableError, checksum_of
from portolan.bundle.workshop import Workshop
from portolan.errors import PortolanError


def obtain(workshop: Workshop, artefact: str, binary: Binary, target: Path) -> Literal["mirror", "official"] | None:
    """Put the official binary at `target` and return where it came from, or None where no source has it.

    Raises PortolanError where a source gives a wrong content: no other source is tried then.
    """
    release = binary.release
    if release is None:
        return None
    url = binary.filled(release.url)
    checksums = workshop.sources.addresses(binary.filled(release.checksum_url)) if release.checksum_url else []
    for source, address in workshop.sources.addresses(url):
        if not workshop.network.reachable(address):
            continue
        try:
            with workshop.turn("download", artefact, f"downloading {binary.name} ({source})"):
                sha256 = release.sha256 or _published_checksum(workshop, dict(checksums).get(source), address)
                downloaded = workshop.network.download(address, sha256)
                _extract(downloaded, address, binary, target)
        except NotAvailableError as reason:
            workshop.say(artefact, f"{source}: {reason}")
            continue
        return "mirror" if source == "mirror" else "official"
    return None


def _published_checksum(workshop: Workshop, address: str | None, file_address: str) -> str:
    if address is None:
        raise NotAvailableError(f"{file_address}: there is no checksum to check it with")
    filename = urlsplit(file_address).path.rsplit("/", 1)[1]
    found = checksum_of(workshop.network.read_text(address), filename)
    if found is None:
        raise NotAvailableError(f"{address}: no SHA-256 of {filename}")
    return found


def _extract(downloaded: Path, address: str, binary: Binary, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if binary.release is None or binary.release.member is None:
        shutil.move(downloaded, target)
    else:
        member = binary.filled(binary.release.member)
        try:
            with tarfile.open(downloaded) as archive:
                stream = archive.extractfile(member)
                if stream is None:
                    raise KeyError(member)
                with stream, target.open("wb") as output:
                    shutil.copyfileobj(stream, output, 1 << 20)
        except (KeyError, tarfile.TarError) as error:
            raise PortolanError(address, f"has no file {member}", "correct the entry in versions.yaml") from error
    target.chmod(0o755)
