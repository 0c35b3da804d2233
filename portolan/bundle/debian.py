"""Debian root file systems, and package sets with all that they depend on."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path
from urllib.parse import unquote

from portolan.bundle.aptsources import for_release, machine_sources, with_backports
from portolan.bundle.lock import Root
from portolan.bundle.processes import require_tool
from portolan.bundle.workshop import Workshop
from portolan.errors import PortolanError

REMEDY = "check the machine's package sources (apt-get update) and its disk"

# What makes one host differ from another, or tells where it was made: each host gets its own on first boot.
FORGET = (
    "rm -f $1/etc/ssh/ssh_host_*",
    ": > $1/etc/machine-id",
    "rm -f $1/var/lib/dbus/machine-id $1/var/lib/systemd/random-seed $1/etc/hostname $1/etc/resolv.conf",
    "rm -f $1/etc/apt/sources.list.d/* $1/etc/apt/preferences.d/made-merged $1/etc/apt/apt.conf.d/99mmdebstrap",
    ": > $1/etc/apt/sources.list",
    "rm -rf $1/var/log/apt $1/var/log/dpkg.log $1/var/log/alternatives.log $1/var/log/bootstrap.log",
)
# A root that begins with /usr merged needs no package that merges it: Perl's 50 MB stay out with that.
MERGED_HOOKS = "/usr/share/mmdebstrap/hooks/merged-usr"
PREFER = ('printf "Package: usrmerge\\nPin: release *\\nPin-Priority: -1\\n" > "$1/etc/apt/preferences.d/made-merged"',)
DOCUMENTATION = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
RECIPE = 3  # raise when the way roots are made changes


def _write_sources(workshop: Workshop, path: Path, *, backports: bool = False) -> None:
    sources = for_release(machine_sources(), workshop.lock.debian)
    if backports:
        sources = with_backports(sources, workshop.lock.debian)
    for source in sources:
        if source.signed_by and not Path(source.signed_by).is_file():
            raise PortolanError(
                source.signed_by,
                f"the keyring of {source.uris[0]} is missing",
                "apt-get install debian-archive-keyring",
            )
    path.write_text("\n".join(source.stanza() for source in sources), encoding="utf-8")


def make_root(workshop: Workshop, artefact: str, root: Root, target: Path) -> None:
    """Make a root file system archive: minbase and the root's packages, with no trace of this machine.

    Raises PortolanError where the package sources cannot be reached or this user is not root.
    """
    tool = require_tool("mmdebstrap", "mmdebstrap")
    if os.geteuid() != 0:
        raise PortolanError(artefact, "only root can make a root file system", "run as root")
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        workshop.turn("build", artefact, "installing Debian packages", priority=0),
        workshop.store.workplace() as place,
    ):
        place.chmod(0o755)  # apt's own user reads below it
        sources = place / "debian.sources"
        _write_sources(workshop, sources)
        command = [tool, "--quiet", "--mode=root", "--variant=minbase", "--format=tar"]
        command += [f"--architectures={workshop.lock.debian.architecture}", f"--include={','.join(root.packages)}"]
        command += [f"--setup-hook={line}" for line in PREFER]
        command.append(f"--hook-directory={MERGED_HOOKS}")
        command += [f"--customize-hook={line}" for line in FORGET]
        command += [
            '--aptopt=Acquire::Languages "none"',
            '--aptopt=APT::Install-Recommends "false"',
            *_machine_options(),
        ]
        if root.exclude_documentation:
            command += [f"--dpkgopt=path-exclude={pattern}" for pattern in DOCUMENTATION]
            command.append("--dpkgopt=path-include=/usr/share/doc/*/copyright")
        command += [workshop.lock.debian.suite, str(target), str(sources)]
        workshop.run(artefact, command, remedy=REMEDY, environment={"TMPDIR": str(place), "LC_ALL": "C.UTF-8"})


def _machine_options() -> list[str]:
    """Hand the machine's own apt proxy on; the root does not keep it."""
    options = []
    for scheme in ("http", "https"):
        proxy = os.environ.get(f"{scheme}_proxy") or os.environ.get(f"{scheme.upper()}_PROXY")
        if proxy:
            options.append(f'--aptopt=Acquire::{scheme}::Proxy "{proxy}"')
    return options


def installed_status(root_archive: Path, target: Path) -> None:
    """Copy the list of installed packages out of a root archive."""
    with tarfile.open(root_archive, "r|") as archive:
        for member in archive:
            if member.name.removeprefix("./") == "var/lib/dpkg/status":
                stream = archive.extractfile(member)
                assert stream is not None
                with stream, target.open("wb") as output:
                    shutil.copyfileobj(stream, output)
                return
    raise PortolanError(str(root_archive), "is no Debian root", "run: portolan bundle build")


def download_packages(
    workshop: Workshop,
    artefact: str,
    packages: tuple[str, ...],
    root_archive: Path,
    directory: Path,
    *,
    backports: tuple[str, ...] = (),
) -> None:
    """Download packages and what they need on top of a root into `directory`; `backports` from the release's backports.

    Raises PortolanError where the package sources do not have one of them.
    """
    apt = require_tool("apt-get", "apt")
    directory.mkdir(parents=True, exist_ok=True)
    with (
        workshop.turn("download", artefact, f"downloading {len(packages)} Debian packages"),
        workshop.store.workplace() as place,
    ):
        installed_status(root_archive, place / "status")
        _write_sources(workshop, place / "debian.sources", backports=bool(backports))
        for folder in ("lists/partial", "archives/partial", "parts"):
            (place / folder).mkdir(parents=True)
        options = {
            "Dir::Etc::sourcelist": place / "debian.sources",
            "Dir::Etc::sourceparts": place / "parts",
            "Dir::State::lists": place / "lists",
            "Dir::State::status": place / "status",
            "Dir::Cache::archives": place / "archives",
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "APT::Architecture": workshop.lock.debian.architecture,
            "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "false",
            "Acquire::Languages": "none",
            "DPkg::Post-Invoke::": "",
        }
        command = [apt, "-q", "-y", *(f"-o{name}={value}" for name, value in options.items())]
        environment = {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        workshop.run(artefact, [*command, "update"], remedy=REMEDY, environment=environment)
        download = [*command, "--download-only", "--reinstall", "install", *packages]
        download += [f"{name}/{workshop.lock.debian.suite}-backports" for name in backports]
        workshop.run(artefact, download, remedy=REMEDY, environment=environment)
        for package in sorted((place / "archives").glob("*.deb")):
            # apt writes an epoch's colon as %3a, which a file: repository would have to unescape.
            shutil.move(package, directory / unquote(package.name).replace(":", "_"))


def write_package_index(workshop: Workshop, artefact: str, directory: Path) -> None:
    """Make a folder of packages an apt repository (`deb [trusted=yes] file:DIRECTORY ./`)."""
    tool = require_tool("apt-ftparchive", "apt-utils")
    (directory / "Packages").write_text(
        workshop.run(artefact, [tool, "packages", "."], remedy=REMEDY, cwd=directory), encoding="utf-8"
    )
    release = workshop.run(artefact, [tool, "release", "."], remedy=REMEDY, cwd=directory)
    (directory / "Release").write_text(release, encoding="utf-8")
