"""Building the bundle: every artefact as soon as what it needs is there, nothing twice, and whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Literal

from portolan.bundle.artefacts import Artefact, EntrySeed, Job
from portolan.bundle.index import Entry, FileDigest, Index, files_below, read_index, tree_digest, write_index
from portolan.bundle.processes import stop_all
from portolan.bundle.store import Product
from portolan.bundle.workshop import Workshop
from portolan.errors import PortolanError
from portolan.model import Model

ABSENT_SECONDS = 86_400  # how long an optional thing that no source has is not asked for again
State = Literal["present", "to make", "depends on what is made first"]


class Made(Model):
    """One line of the summary."""

    artefact: str
    phase: str
    seconds: float


class Summary(Model):
    """What a build did."""

    seconds: float
    made: tuple[str, ...]
    present: tuple[str, ...]
    phases: tuple[Made, ...]
    size_bytes: int
    entries: int


def select(graph: Mapping[str, Artefact], only: Sequence[str]) -> list[str]:
    """Return the wanted artefacts, in an order in which needs come first.

    `only` names artefacts, bundle entries or optional parts; empty means everything that is of no optional part.
    Raises PortolanError for an unknown name.
    """
    wanted: list[str] = []
    for name in only:
        found = [one.name for one in graph.values() if name in (one.name, one.part, *one.gives)]
        if not found:
            known = sorted({given for artefact in graph.values() for given in artefact.gives})
            raise PortolanError(f"--only {name}", "the lock has nothing of this name", f"one of: {', '.join(known)}")
        wanted += found
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in order:
            for need in graph[name].needs:
                visit(need)
            order.append(name)

    for name in wanted or [name for name, artefact in graph.items() if artefact.part is None]:
        visit(name)
    return order


def look(
    graph: Mapping[str, Artefact], order: Sequence[str], workshop: Workshop
) -> tuple[dict[str, State], dict[str, Product]]:
    """Return each artefact's state and the products that are there, without making anything."""
    products: dict[str, Product] = {}
    states: dict[str, State] = {}
    for name in order:
        artefact = graph[name]
        if any(need not in products for need in artefact.needs):
            states[name] = "depends on what is made first"
            continue
        product = _existing(workshop, artefact, artefact.key(products))
        if product is None:
            states[name] = "to make"
        else:
            products[name] = product
            states[name] = "present"
    return states, products


def _existing(workshop: Workshop, artefact: Artefact, key: str) -> Product | None:
    """Return the product of `key` where it can be used: an artefact without entries only counts by its digest."""
    product = workshop.store.product(key)
    if product is not None and (not artefact.gives or workshop.store.is_complete(product.files)):
        return product
    if product is None and _is_known_absent(workshop, key):
        return Product(artefact=artefact.name, key=key, files={})
    return None


def _is_known_absent(workshop: Workshop, key: str) -> bool:
    try:
        age = time.time() - (workshop.cache / "products" / f"{key}.absent").stat().st_mtime
    except OSError:
        return False
    return 0 <= age < ABSENT_SECONDS


class Build:
    """One run over the graph."""

    def __init__(self, graph: Mapping[str, Artefact], order: Sequence[str], workshop: Workshop) -> None:
        self._graph = graph
        self._order = order
        self._workshop = workshop
        self._futures: dict[str, Future[Product]] = {}
        self._guards = {name: threading.Lock() for name in order}
        self._failed = threading.Event()
        self._publishing = threading.Lock()
        self.made: list[str] = []
        self.present: list[str] = []

    def run(self, finished: Callable[[Product, bool], None]) -> dict[str, Product]:
        """Make what is missing; `finished` hears of every product and whether it was made now.

        Raises the first PortolanError; what was finished before stays.
        """
        self._finished = finished
        started = dict.fromkeys(self._order, False)
        with ThreadPoolExecutor(max_workers=len(self._order)) as pool:
            for name in started:
                self._futures[name] = pool.submit(self._resolve, name)
            try:
                done, _ = wait(self._futures.values(), return_when=FIRST_EXCEPTION)
                errors = [error for future in done if (error := future.exception()) is not None]
            except BaseException:
                self._failed.set()
                stop_all()
                raise
            if errors:
                self._failed.set()
                stop_all()
                raise next((error for error in errors if isinstance(error, PortolanError)), errors[0])
        return {name: future.result() for name, future in self._futures.items()}

    def _resolve(self, name: str) -> Product:
        artefact = self._graph[name]
        products = {need: self._futures[need].result() for need in artefact.needs}
        with self._guards[name]:
            key = artefact.key(products)
            product = _existing(self._workshop, artefact, key)
            if product is not None:
                self.present.append(name)
                self._publish(product, now=False)
                return product
            return self._make(artefact, products)

    def _make(self, artefact: Artefact, products: dict[str, Product]) -> Product:
        for need in artefact.needs:
            products[need] = self._with_files(need, products[need])
        if self._failed.is_set():
            raise PortolanError(artefact.name, "was not started", "mend the first error and run the same command again")
        key, workshop = artefact.key(products), self._workshop
        begin = time.monotonic()
        try:
            with workshop.store.workplace() as directory:
                seeds = artefact.make(Job(workshop, artefact.name, key, directory, products))
                files = workshop.store.add(directory)
        except OSError as error:
            raise _disk_error(artefact.name, error) from error
        product = Product(
            artefact=artefact.name,
            key=key,
            files=files,
            entries=tuple(entry_of(seed, files) for seed in seeds),
            seconds=round(time.monotonic() - begin, 1),
        )
        if files:
            workshop.store.record(product)
        else:
            (workshop.cache / "products").mkdir(parents=True, exist_ok=True)
            (workshop.cache / "products" / f"{key}.absent").touch()
        self.made.append(artefact.name)
        self._publish(product, now=True)
        return product

    def _with_files(self, name: str, product: Product) -> Product:
        """Return a need whose files are really there, making it again where only its record is left."""
        if self._workshop.store.is_complete(product.files):
            return product
        with self._guards[name]:
            if self._workshop.store.is_complete(product.files):
                return product
            artefact = self._graph[name]
            return self._make(artefact, {need: self._futures[need].result() for need in artefact.needs})

    def _publish(self, product: Product, *, now: bool) -> None:
        with self._publishing:
            self._finished(product, now)


def entry_of(seed: EntrySeed, files: Mapping[str, FileDigest]) -> Entry:
    """Complete an entry with the digest and size of its files."""
    own = files_below(files, seed.path)
    return Entry(
        name=seed.name,
        kind=seed.kind,
        version=seed.version,
        reference=seed.reference,
        path=seed.path,
        sha256=tree_digest(own),
        size_bytes=sum(file.size_bytes for file in own.values()),
        source=seed.source,
        nodes=seed.nodes,
        simulated_data=seed.simulated_data,
    )


def _disk_error(where: str, error: OSError) -> PortolanError:
    if error.errno == errno.ENOSPC:
        remedy = "free some disk space (PORTOLAN_CACHE may name another disk) and run the same command again"
        return PortolanError(where, "the disk is full", remedy)
    place = f"{error.filename}: " if error.filename else ""
    return PortolanError(where, f"{place}{error.strerror or error}", "check the directory's owner and mode")


@contextlib.contextmanager
def only_one(cache: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold the cache's lock; a second build waits for the first and then finds its work done."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        stream = (cache / "bundle.lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise _disk_error(str(cache), error) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            waiting(stream.read().strip() or "unknown")
            fcntl.flock(stream, fcntl.LOCK_EX)
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


class Publisher:
    """Keeps `bundle/` and its index equal to the products that are finished."""

    def __init__(self, workshop: Workshop, keep: Index | None) -> None:
        self._workshop = workshop
        self.directory = workshop.cache / "bundle"
        self._entries: dict[tuple[str, str], Entry] = {}
        self._files: dict[str, FileDigest] = {}
        self._written = keep
        for entry in keep.entries if keep is not None else ():
            self._entries[entry.kind, entry.name] = entry
            self._files |= keep.files_of(entry) if keep is not None else {}

    def publish(self, product: Product) -> None:
        """Put a product's entries into the bundle."""
        files = product.published_files()
        for entry in product.entries:
            for name in files_below(self._files, entry.path):
                if name not in files:
                    del self._files[name]
                    (self.directory / name).unlink(missing_ok=True)
            self._entries[entry.kind, entry.name] = entry
        self._workshop.store.place_all(files, self.directory)
        self._files |= files

    def index(self) -> Index:
        """Return the index of what is published now."""
        entries = tuple(self._entries[key] for key in sorted(self._entries))
        return Index(entries=entries, files=dict(sorted(self._files.items())))

    def write(self) -> Index:
        """Write the index where it changed."""
        index = self.index()
        if index != self._written:
            write_index(self.directory, index)
            self._written = index
        return index

    def prune(self, wanted: set[tuple[str, str]]) -> None:
        """Remove entries that the lock no longer has, and files that belong to no entry."""
        self._entries = {key: entry for key, entry in self._entries.items() if key in wanted}
        paths = [entry.path for entry in self._entries.values()]
        self._files = {
            name: file for name, file in self._files.items() if any(files_below({name: file}, path) for path in paths)
        }
        for path in sorted(self.directory.rglob("*"), reverse=True):
            relative = str(path.relative_to(self.directory))
            if path.is_dir():
                with contextlib.suppress(OSError):
                    path.rmdir()
            elif relative != "index.json" and relative not in self._files:
                path.unlink()


def build_bundle(
    graph: Mapping[str, Artefact],
    only: Sequence[str],
    workshop: Workshop,
    waiting: Callable[[str], None],
    heard: Callable[[str, bool, float, int, int], None],
) -> tuple[Summary, Index]:
    """Make the bundle, or parts of it, and return what was done.

    `heard(artefact, made, seconds, done, all)` is called for each artefact. Raises PortolanError.
    """
    begin = time.monotonic()
    order = select(graph, only)
    with only_one(workshop.cache, waiting):
        workshop.store.clean_workplaces()
        publisher = Publisher(workshop, _previous_index(workshop))
        done = 0

        def finished(product: Product, now: bool) -> None:
            nonlocal done
            done += 1
            publisher.publish(product)
            if now:
                publisher.write()
            heard(product.artefact, now, product.seconds, done, len(order))

        build = Build(graph, order, workshop)
        products = build.run(finished)
        if not only:
            optional = {name for artefact in graph.values() if artefact.part for name in artefact.gives}
            made = {(entry.kind, entry.name) for product in products.values() for entry in product.entries}
            publisher.prune(
                made | {(entry.kind, entry.name) for entry in publisher.index().entries if entry.name in optional}
            )
            shutil.rmtree(workshop.cache / "downloads", ignore_errors=True)
        index = publisher.write()
    phases = [
        Made(artefact=artefact, phase=phase, seconds=round(seconds, 1))
        for (artefact, phase), seconds in sorted(workshop.seconds_by_phase.items(), key=lambda item: -item[1])
    ]
    summary = Summary(
        seconds=round(time.monotonic() - begin, 1),
        made=tuple(build.made),
        present=tuple(build.present),
        phases=tuple(phases),
        size_bytes=sum(entry.size_bytes for entry in index.entries),
        entries=len(index.entries),
    )
    return summary, index


def _previous_index(workshop: Workshop) -> Index | None:
    try:
        index = read_index(workshop.cache / "bundle")
    except PortolanError:
        return None
    return index if workshop.store.is_complete(index.files) else None
