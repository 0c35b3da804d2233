"""This machine's apt sources, in both of apt's formats, narrowed to one Debian release."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from portolan.bundle.lock import Debian
from portolan.errors import PortolanError
from portolan.model import Model


class AptSource(Model):
    """One stanza: where packages of some suites come from."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str | None = None
    trusted: bool = False

    def stanza(self) -> str:
        """Return the source in deb822 format."""
        lines = [
            "Types: deb",
            f"URIs: {' '.join(self.uris)}",
            f"Suites: {' '.join(self.suites)}",
            f"Components: {' '.join(self.components)}",
        ]
        if self.signed_by:
            lines.append(f"Signed-By: {self.signed_by}")
        if self.trusted:
            lines.append("Trusted: yes")
        return "\n".join(lines) + "\n"


def parse_deb822(text: str) -> list[AptSource]:
    """Read a `.sources` file; disabled stanzas and source packages are left out."""
    sources = []
    for block in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0].isspace():
                fields[name] += " " + line.strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        signed_by = fields.get("signed-by")
        sources.append(
            AptSource(
                uris=tuple(fields.get("uris", "").split()),
                suites=tuple(fields.get("suites", "").split()),
                components=tuple(fields.get("components", "").split()),
                # An embedded key cannot be handed on as a path: the suite's own keyring is used instead.
                signed_by=signed_by if signed_by and signed_by.startswith("/") else None,
                trusted=fields.get("trusted", "no").lower() == "yes",
            )
        )
    return sources


def parse_one_line(text: str) -> list[AptSource]:
    """Read a `sources.list` file.

    >>> parse_one_line("deb [signed-by=/k.gpg] http://m/debian bookworm main")[0].suites
    ('bookworm',)
    """
    sources = []
    for line in text.splitlines():
        match = re.match(r"^deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s*(.*?)\s*(?:#.*)?$", line.strip())
        if match is None:
            continue
        options = dict(option.split("=", 1) for option in (match[1] or "").split() if "=" in option)
        sources.append(
            AptSource(
                uris=(match[2],),
                suites=(match[3],),
                components=tuple(match[4].split()),
                signed_by=options.get("signed-by"),
                trusted=options.get("trusted") == "yes",
            )
        )
    return sources


def machine_sources(directory: Path = Path("/etc/apt")) -> list[AptSource]:
    """Return all sources of this machine."""
    found: list[AptSource] = []
    one_line = [directory / "sources.list", *sorted(directory.glob("sources.list.d/*.list"))]
    for path in one_line:
        if path.is_file():
            found += parse_one_line(path.read_text(encoding="utf-8", errors="replace"))
    for path in sorted(directory.glob("sources.list.d/*.sources")):
        found += parse_deb822(path.read_text(encoding="utf-8", errors="replace"))
    return found


def for_release(sources: Iterable[AptSource], debian: Debian) -> list[AptSource]:
    """Keep what belongs to the Debian release.

    A suite belongs when it is the release or one of its pockets (`bookworm-updates`, `bookworm-security`).
    Raises PortolanError where the machine has no source of the release itself.
    """
    kept = []
    for source in sources:
        pockets = {debian.suite, f"{debian.suite}-updates", f"{debian.suite}-security"}
        suites = tuple(suite for suite in source.suites if suite in pockets)
        if suites and "main" in source.components:
            narrowed = {"suites": suites, "components": ("main",)}
            if source.signed_by is None and not source.trusted:
                narrowed["signed_by"] = debian.default_keyring  # type: ignore[assignment]
            kept.append(source.model_copy(update=narrowed))
    if not any(debian.suite in source.suites for source in kept):
        raise PortolanError(
            "/etc/apt",
            f"this machine's package sources do not carry Debian {debian.suite} main",
            f"add one under /etc/apt/sources.list.d, or import a bundle that was made elsewhere (suite {debian.suite})",
        )
    return kept


def with_backports(sources: Iterable[AptSource], debian: Debian) -> list[AptSource]:
    """Add the release's backports, which lie on the mirrors of the release itself; apt takes from them what it is told.

    >>> main = AptSource(uris=("http://m/debian",), suites=("bookworm",), components=("main",))
    >>> debian = Debian(suite="bookworm", architecture="amd64", default_keyring="/k.gpg")
    >>> [source.suites for source in with_backports([main], debian)]
    [('bookworm',), ('bookworm-backports',)]
    """
    kept = list(sources)
    mirrors = [source for source in kept if debian.suite in source.suites]
    return kept + [source.model_copy(update={"suites": (f"{debian.suite}-backports",)}) for source in mirrors]
