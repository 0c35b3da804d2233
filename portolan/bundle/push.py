"""`portolan bundle push REGISTRY`: the platform's images into a private registry, from which a rented cluster pulls."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from portolan.bundle.images import is_local
from portolan.bundle.index import Entry
from portolan.bundle.processes import require_tool, run
from portolan.bundle.view import Bundle
from portolan.errors import PortolanError
from portolan.model import Model

PREVIOUS = "previous-"  # images of the minor release before: what an upgrade on one's own hosts starts from
# HOST[:PORT], then folders: of ECR the site's name, of Artifact Registry the project and repository.
PREFIX = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-][a-z0-9]+)*)*")
# What registries answer (OCI distribution specification, error codes), and what then is to be done.
FAULTS = (
    (
        r"(?i)expired|unauthorized|authentication required|denied|no basic auth|forbidden|40[13]\b",
        "the registry does not let us in: the credentials are missing, have expired, or may not push",
        "sign in again: buildah login REGISTRY (aws ecr get-login-password, az acr login --expose-token or gcloud "
        "auth print-access-token give the password), or name a file by --authfile",
    ),
    (
        r"(?i)name.?unknown|does not exist|repository.*not found",
        "the registry has no such repository",
        "make the registry first: portolan platform up SITE; docs/how-to/cloud.md says what its address is",
    ),
    (
        r"(?i)immutable|tag invalid",
        "the registry keeps another image under this tag and does not replace it",
        "build the bundle anew where images changed: their tags follow from their content",
    ),
    (
        r"(?i)connection refused|no such host|timeout|i/o|network is unreachable|no route|server gave HTTP response",
        "the registry does not answer",
        "check its address, and that this machine reaches it: a private registry answers in its own network alone",
    ),
)


class Pushed(Model):
    """One image of the registry."""

    name: str
    reference: str
    digest: str


def target(registry: str, reference: str) -> str:
    """Return the name that an image has in a registry of one's own: its path and tag, without its official host.

    >>> target("reg.example/customs", "quay.io/kuberay/operator:v1.6.2")
    'reg.example/customs/kuberay/operator:v1.6.2'
    """
    return f"{registry}/{reference.split('/', 1)[1]}"


def chosen(entries: Iterable[Entry], only: Sequence[str]) -> list[Entry]:
    """Return the images to push: those that a rented cluster does not bring itself, or those that are named.

    Raises PortolanError where the bundle has no image of a name.
    """
    images = [entry for entry in entries if entry.kind == "image" and entry.reference]
    unknown = sorted(set(only) - {entry.name for entry in images})
    if unknown:
        names = ", ".join(sorted(entry.name for entry in images))
        raise PortolanError("the bundle", f"has no image {unknown[0]!r}", f"give one of: {names}")
    if only:
        return [entry for entry in images if entry.name in only]
    return [entry for entry in images if not _is_clusters_own(entry)]


def _is_clusters_own(entry: Entry) -> bool:
    """Tell whether an image is the cluster's own: a rented cluster comes with it, and no node pulls it from us."""
    return entry.name.startswith((PREVIOUS, "kube-")) or entry.name in ("coredns", "etcd", "pause")


def require_registry(registry: str) -> str:
    """Return a registry's address. Raises PortolanError where it is none."""
    if not PREFIX.fullmatch(registry):
        raise PortolanError(
            registry, "is no registry's address", "give HOST[:PORT][/FOLDER], in lower case and without https://"
        )
    return registry


def push(
    bundle: Bundle, cache: Path, registry: str, only: Sequence[str], authfile: Path | None, say: Callable[[str], None]
) -> list[Pushed]:
    """Push images one after another; what the registry has already is not sent again.

    Raises PortolanError where the registry cannot be reached, does not let us in, or lacks a repository.
    """
    require_registry(registry)
    images = chosen(bundle.index.entries, only)
    if authfile is not None and not authfile.is_file():
        raise PortolanError(str(authfile), "there is no such file", "sign in first: buildah login --authfile FILE HOST")
    buildah = require_tool("buildah", "buildah")
    home = Path(tempfile.mkdtemp(prefix="push-", dir=cache))
    options = ["--root", str(home / "storage"), "--runroot", str(home / "run"), "--storage-driver", "overlay"]
    options += ["--storage-opt", "overlay.skip_mount_home=true"]
    plain = "false" if is_local(registry.split("/", 1)[0]) else "true"
    access = [f"--tls-verify={plain}", *([f"--authfile={authfile}"] if authfile else [])]
    log = cache / "logs" / "push.log"

    def call(entry: Entry, *arguments: str) -> str:
        environment = {"BUILDAH_ISOLATION": "chroot", "_CONTAINERS_USERNS_CONFIGURED": ""}
        where = f"image {entry.name}"
        return run([buildah, *options, *arguments], log=log, where=where, remedy="see why", environment=environment)

    done = []
    try:
        for number, entry in enumerate(images, start=1):
            there = target(registry, str(entry.reference))
            say(f"[{number}/{len(images)}] {there}")
            identity = call(entry, "pull", "--quiet", f"docker-archive:{bundle.directory / entry.path}").split()[-1]
            digest = home / "digest"
            try:
                call(entry, "push", "--quiet", *access, f"--digestfile={digest}", identity, f"docker://{there}")
            except PortolanError as error:
                raise explained(error, there, _last_words(log)) from error
            done.append(Pushed(name=entry.name, reference=there, digest=digest.read_text(encoding="ascii").strip()))
            call(entry, "rmi", "--force", identity)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return done


def explained(error: PortolanError, there: str, said: str) -> PortolanError:
    """Return a failed push in words, with what to do; the rest stays as it is. `said` is all that it said."""
    for pattern, what, remedy in FAULTS:
        if re.search(pattern, said):
            return PortolanError(there, f"{what}: {said.rsplit(': ', 1)[-1]}", remedy)
    return PortolanError(there, error.what, error.remedy)


def _last_words(log: Path) -> str:
    """Return the last line of a log: the program's own error, whole, without the names that it was given."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    # What comes before the reason are digests and addresses, whose digits look like codes of answers.
    return re.sub(r"sha256:[0-9a-f]+|docker://\S+|\"[^\"]*\"", "", lines[-1]) if lines else ""
