"""Content-addressed storage: every file under its SHA-256, every product under the key of what it was made from."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from portolan.bundle.index import Entry, FileDigest, digest_of_file, files_below, tree_digest
from portolan.files import write_atomically
from portolan.model import Model


class Product(Model):
    """What an artefact's making left: its files by name, and the bundle entries among them."""

    artefact: str
    key: str
    files: dict[str, FileDigest]
    entries: tuple[Entry, ...] = ()
    seconds: float = 0.0

    @property
    def digest(self) -> str:
        """Return one digest of all files."""
        return tree_digest(self.files)

    def published_files(self) -> dict[str, FileDigest]:
        """Return the files that belong to a bundle entry; the others only serve other artefacts."""
        return {name: file for entry in self.entries for name, file in files_below(self.files, entry.path).items()}


class Store:
    """The objects and products below a cache directory."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._objects = cache / "objects" / "sha256"
        self._products = cache / "products"
        self._temporary = cache / "tmp"

    def object_path(self, sha256: str) -> Path:
        """Return where a content lies, or would lie."""
        return self._objects / sha256[:2] / sha256

    def product(self, key: str) -> Product | None:
        """Return the product that was made under `key`, or None; a damaged record counts as none."""
        try:
            return Product.model_validate_json((self._products / f"{key}.json").read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def products(self) -> Iterator[Product]:
        """Go through all products that were ever made here."""
        for path in sorted(self._products.glob("*.json")):
            product = self.product(path.stem)
            if product is not None:
                yield product

    def record(self, product: Product) -> None:
        """Remember a product."""
        write_atomically(self._products / f"{product.key}.json", product.model_dump_json(indent=1) + "\n", mode=0o644)

    def is_complete(self, files: Mapping[str, FileDigest]) -> bool:
        """Tell whether every file is there in its full size; `verify` looks at the content."""
        for file in files.values():
            try:
                if self.object_path(file.sha256).stat().st_size != file.size_bytes:
                    return False
            except OSError:
                return False
        return True

    def add(self, directory: Path) -> dict[str, FileDigest]:
        """Move all files below `directory` into the store and return their digests by relative name."""
        files: dict[str, FileDigest] = {}
        for path in sorted(directory.rglob("*")):
            if not path.is_file():
                continue
            files[str(path.relative_to(directory))] = self.add_file(path)
        return files

    def add_file(self, path: Path) -> FileDigest:
        """Move one file into the store."""
        status = path.stat()
        executable = bool(status.st_mode & stat.S_IXUSR)
        sha256 = digest_of_file(path)
        target = self.object_path(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and target.stat().st_size == status.st_size:
            if executable:
                target.chmod(0o555)
            path.unlink()
        else:
            path.chmod(0o555 if executable else 0o444)
            path.replace(target)
        return FileDigest(sha256=sha256, size_bytes=status.st_size, executable=executable)

    def place(self, file: FileDigest, target: Path) -> None:
        """Put an object at `target`, replacing what is there, as a hard link (same disk, no second copy)."""
        source = self.object_path(file.sha256)
        with contextlib.suppress(FileNotFoundError):
            if target.stat().st_ino == source.stat().st_ino:
                return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
        temporary.unlink(missing_ok=True)
        try:
            temporary.hardlink_to(source)
        except OSError:  # another file system, or one without hard links
            shutil.copy2(source, temporary)
        temporary.replace(target)

    def place_all(self, files: Mapping[str, FileDigest], directory: Path) -> None:
        """Put files by their names below `directory`."""
        for name, file in files.items():
            self.place(file, directory / name)

    @contextlib.contextmanager
    def workplace(self) -> Iterator[Path]:
        """Give an empty folder on the same disk; it is removed afterwards."""
        self._temporary.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(dir=self._temporary))
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def clean_workplaces(self) -> None:
        """Remove what a killed run left; only the holder of the build lock may call this."""
        shutil.rmtree(self._temporary, ignore_errors=True)

    def keep_only(self, keys: set[str], published: Mapping[str, FileDigest]) -> int:
        """Remove all other products and the objects that nothing kept has; return the bytes that became free."""
        kept = {file.sha256 for file in published.values()}
        for path in sorted(self._products.glob("*.json")):
            product = self.product(path.stem)
            if path.stem not in keys:
                path.unlink()
            elif product is not None:
                kept |= {file.sha256 for file in product.files.values()}
        freed = 0
        for path in sorted(self._objects.glob("*/*")):
            if path.name not in kept:
                freed += path.stat().st_size
                path.unlink()
        return freed

    def forget(self, contents: list[str]) -> None:
        """Remove objects whose content is no longer what their name says, so that they are made again."""
        for sha256 in contents:
            self.object_path(sha256).unlink(missing_ok=True)
