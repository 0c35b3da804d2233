"""What is mounted where, and the one way in which directories of a sandbox are removed."""

from __future__ import annotations

import re
from pathlib import Path

from portolan.errors import PortolanError
from portolan.sandbox import names
from portolan.sandbox.processes import run

_OCTAL = re.compile(r"\\([0-7]{3})")
_DELETED = "//deleted"


def parse_mount_points(mountinfo: str, top: Path, site: str | None = None) -> list[str]:
    """Return the mount points at or below `top`, deepest and latest first, from the text of /proc/self/mountinfo.

    A mount whose directory was removed, an overlay whose layers lie below `top`, and wherever they lie the
    overlays that carry the name of a host of `site`, count too.
    """
    found = []
    for line in mountinfo.splitlines():
        fields = [_OCTAL.sub(lambda match: chr(int(match[1], 8)), field) for field in line.split(" ")]
        mount_root, mount_point = fields[3].removesuffix(_DELETED), fields[4].removesuffix(_DELETED)
        layers = [option.partition("=")[2] for option in fields[-1].split(",") if option.startswith(("upper", "work"))]
        key = names.parse_cgroup(fields[-2]) if fields[-3] == "overlay" else None
        named = key is not None and key[0] == site
        if (
            named
            or any(_is_below(path, top) for path in (mount_point, *layers))
            or (mount_root != "/" and fields[3].endswith(_DELETED) and _is_below(mount_root, top))
        ):
            found.append(mount_point)
    return found[::-1]


def _is_below(path: str, top: Path) -> bool:
    return path.startswith("/") and Path(path).is_relative_to(top)


def mount_points(top: Path, site: str | None = None) -> list[str]:
    """Return the mount points at or below a directory, or of a site's hosts, that this process sees, deepest first."""
    return parse_mount_points(Path("/proc/self/mountinfo").read_text(encoding="utf-8"), top, site)


def sites() -> set[str]:
    """Return the sites whose hosts' roots are mounted where this process sees them."""
    found = set()
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        kind, source = line.partition(" - ")[2].split(" ")[:2]
        key = names.parse_cgroup(source) if kind == "overlay" else None
        if key is not None:
            found.add(key[0])
    return found


def unmount_below(top: Path, site: str | None = None) -> int:
    """Unmount everything at or below a directory, or of a site's hosts; return how many mounts there were."""
    count = 0
    while found := mount_points(top, site):
        run(["umount", "--lazy", found[0]], remedy=f"unmount {found[0]} by hand, then run this again")
        count += 1
        if found == mount_points(top, site):
            raise PortolanError(found[0], "stays mounted", "unmount it by hand, then run this again")
    return count


def remove_tree(top: Path) -> None:
    """Remove a directory; refused while anything is mounted at or below it, so that no mount is emptied."""
    if not top.exists():
        return
    mounted = mount_points(top)
    if mounted:
        raise PortolanError(
            str(top),
            f"not removed, since {mounted[0]} is mounted",
            f"unmount {mounted[0]}, then run `portolan sandbox down` again",
        )
    run(["rm", "-rf", "--one-file-system", "--", str(top)], remedy="look at what keeps it", timeout_seconds=600)
