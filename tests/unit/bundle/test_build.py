"""A build makes what is missing, once, in any circumstances, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portolan.bundle.artefacts import Artefact, EntrySeed, Job
from portolan.bundle.build import Summary, build_bundle, look, select
from portolan.bundle.index import Index, read_index
from portolan.bundle.slots import Slots
from portolan.bundle.workshop import Workshop
from portolan.errors import PortolanError


def artefact(
    name: str,
    content: Callable[[], str],
    needs: tuple[str, ...] = (),
    *,
    published: bool = True,
    result: Callable[[str], str] = str,
    part: str | None = None,
) -> Artefact:
    """A text file made from `content` and the texts of what it needs."""

    def make(job: Job) -> list[EntrySeed]:
        texts = [content()] + [job.needed_file(need, f"bin/{need}").read_text() for need in needs]
        target = job.directory / "bin" / name
        target.parent.mkdir(parents=True)
        target.write_text(result("+".join(texts)))
        return [EntrySeed(name, "binary", "v1", f"bin/{name}", "built")] if published else []

    return Artefact(name, content, make, needs=needs, gives=(name,) if published else (), part=part)


def build(artefacts: list[Artefact], workshop: Workshop, only: tuple[str, ...] = ()) -> tuple[Summary, Index]:
    graph = {one.name: one for one in artefacts}
    return build_bundle(graph, only, workshop, lambda process: None, lambda *heard: None)


def test_needs_are_made_first_and_everything_is_published(workshop: Workshop) -> None:
    summary, index = build([artefact("image", lambda: "i", ("tool",)), artefact("tool", lambda: "t")], workshop)
    assert summary.made == ("tool", "image")
    assert (workshop.cache / "bundle" / "bin" / "image").read_text() == "i+t"
    assert {entry.name for entry in index.entries} == {"image", "tool"}


def test_a_second_run_makes_nothing(workshop: Workshop) -> None:
    artefacts = [artefact("tool", lambda: "t"), artefact("image", lambda: "i", ("tool",))]
    build(artefacts, workshop)
    before = (workshop.cache / "bundle" / "index.json").stat().st_mtime_ns
    summary, _ = build(artefacts, workshop)
    assert summary.made == ()
    assert (workshop.cache / "bundle" / "index.json").stat().st_mtime_ns == before


def test_a_change_makes_only_what_is_made_from_it(workshop: Workshop) -> None:
    service = ["first"]
    artefacts = [
        artefact("tool", lambda: "t"),
        artefact("service", lambda: service[0]),
        artefact("image", lambda: "i", ("tool",)),
    ]
    build(artefacts, workshop)
    service[0] = "second"
    summary, _ = build(artefacts, workshop)
    assert summary.made == ("service",)
    assert (workshop.cache / "bundle" / "bin" / "service").read_text() == "second"


def test_what_comes_out_the_same_changes_nothing_after_it(workshop: Workshop) -> None:
    source = ["text"]
    artefacts = [
        artefact("tool", lambda: source[0], result=lambda text: text.strip()),
        artefact("image", lambda: "i", ("tool",)),
    ]
    build(artefacts, workshop)
    source[0] = "text   "
    assert build(artefacts, workshop)[0].made == ("tool",)


def test_going_back_to_an_earlier_version_makes_nothing(workshop: Workshop) -> None:
    service = ["first"]
    artefacts = [artefact("service", lambda: service[0])]
    for text in ("first", "second"):
        service[0] = text
        build(artefacts, workshop)
    service[0] = "first"
    assert build(artefacts, workshop)[0].made == ()
    assert (workshop.cache / "bundle" / "bin" / "service").read_text() == "first"


def test_only_a_part_and_what_it_needs_is_made(workshop: Workshop) -> None:
    artefacts = [
        artefact("tool", lambda: "t"),
        artefact("image", lambda: "i", ("tool",)),
        artefact("other", lambda: "o"),
    ]
    summary, index = build(artefacts, workshop, ("image",))
    assert summary.made == ("tool", "image")
    assert {entry.name for entry in index.entries} == {"tool", "image"}
    build(artefacts, workshop, ("other",))
    assert {entry.name for entry in read_index(workshop.cache / "bundle").entries} == {"tool", "image", "other"}


def test_an_optional_part_is_made_when_it_is_asked_for_and_stays(workshop: Workshop) -> None:
    artefacts = [artefact("tool", lambda: "t"), artefact("old-tool", lambda: "o", part="previous")]
    assert build(artefacts, workshop)[0].made == ("tool",)
    assert build(artefacts, workshop, ("previous",))[0].made == ("old-tool",)
    _, index = build(artefacts, workshop)
    assert {entry.name for entry in index.entries} == {"tool", "old-tool"}


def test_an_unknown_part_is_refused_with_the_known_ones(workshop: Workshop) -> None:
    with pytest.raises(PortolanError, match="one of: tool"):
        select({"tool": artefact("tool", lambda: "t")}, ("hammer",))


def test_pruning_keeps_what_the_present_bundle_is_made_from(workshop: Workshop) -> None:
    service = ["first"]
    artefacts = [artefact("wheels", lambda: "w", published=False), artefact("service", lambda: service[0], ("wheels",))]
    build(artefacts, workshop)
    service[0] = "second"
    _, index = build(artefacts, workshop)
    _, products = look({one.name: one for one in artefacts}, ["wheels", "service"], workshop)
    freed = workshop.store.keep_only({product.key for product in products.values()}, index.files)
    assert freed == len("first+w")
    assert build(artefacts, workshop)[0].made == ()


def test_what_left_the_lock_leaves_the_bundle(workshop: Workshop) -> None:
    build([artefact("tool", lambda: "t"), artefact("old", lambda: "o")], workshop)
    _, index = build([artefact("tool", lambda: "t")], workshop)
    assert [entry.name for entry in index.entries] == ["tool"]
    assert not (workshop.cache / "bundle" / "bin" / "old").exists()


def test_a_lost_object_is_made_again(workshop: Workshop) -> None:
    artefacts = [artefact("tool", lambda: "t"), artefact("image", lambda: "i", ("tool",))]
    _, index = build(artefacts, workshop)
    workshop.store.object_path(index.files["bin/image"].sha256).unlink()
    assert build(artefacts, workshop)[0].made == ("image",)


def test_a_lost_file_of_the_bundle_is_put_back_without_making_it(workshop: Workshop) -> None:
    artefacts = [artefact("tool", lambda: "t")]
    build(artefacts, workshop)
    (workshop.cache / "bundle" / "bin" / "tool").unlink()
    assert build(artefacts, workshop)[0].made == ()
    assert (workshop.cache / "bundle" / "bin" / "tool").read_text() == "t"


def test_lost_files_that_nothing_needs_now_are_not_made_again(workshop: Workshop) -> None:
    artefacts = [artefact("wheels", lambda: "w", published=False), artefact("image", lambda: "i", ("wheels",))]
    build(artefacts, workshop)
    for product in workshop.store.products():
        if product.artefact == "wheels":
            workshop.store.forget([file.sha256 for file in product.files.values()])
    assert build(artefacts, workshop)[0].made == ()


def test_a_dry_run_says_what_would_be_made_and_makes_nothing(workshop: Workshop) -> None:
    artefacts = [
        artefact("tool", lambda: "t"),
        artefact("image", lambda: "i", ("tool",)),
        artefact("other", lambda: "o"),
    ]
    build(artefacts, workshop, ("other",))
    states, _ = look({one.name: one for one in artefacts}, ["tool", "image", "other"], workshop)
    assert states == {"tool": "to make", "image": "depends on what is made first", "other": "present"}
    assert not (workshop.cache / "bundle" / "bin" / "tool").exists()


def test_one_failure_keeps_what_was_finished_before(workshop: Workshop) -> None:
    def fail(job: Job) -> list[EntrySeed]:
        raise PortolanError("image", "the disk is full", "free some disk space")

    good = artefact("tool", lambda: "t")
    bad = Artefact("image", lambda: "i", fail, needs=("tool",), gives=("image",))
    with pytest.raises(PortolanError, match="the disk is full"):
        build([good, bad], workshop)
    summary, _ = build([good, artefact("image", lambda: "i", ("tool",))], workshop)
    assert summary.made == ("image",)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_one_clear_error_and_leaves_no_half_file(small_disk: Path, workshop: Workshop) -> None:
    full = Workshop(small_disk / "cache", workshop.lock, workshop.sources, workshop.say)
    with pytest.raises(PortolanError) as refused:
        build([artefact("tool", lambda: "t" * 1_000_000)], full)
    assert refused.value.what == "the disk is full"
    assert "PORTOLAN_CACHE" in refused.value.remedy
    assert not list((small_disk / "cache").rglob("tool"))


SLOW_BUILD = """
import sys, time
from pathlib import Path
from portolan.bundle.artefacts import Artefact, EntrySeed
from portolan.bundle.build import build_bundle
from portolan.bundle.lock import load_lock
from portolan.bundle.network import Sources
from portolan.bundle.workshop import Workshop

def named(name, gate, needs=()):
    def make(job):
        target = job.directory / "bin" / name
        target.parent.mkdir(parents=True)
        with target.open("w") as stream:
            stream.write("half")
            stream.flush()
            print("making", name, flush=True)
            while not gate.exists():
                time.sleep(0.02)
            stream.write(" and half")
        return [EntrySeed(name, "binary", "v1", f"bin/{name}", "built")]
    return Artefact(name, lambda: name, make, needs=needs, gives=(name,))

workshop = Workshop(Path(sys.argv[1]), load_lock(), Sources(official=False), lambda *said: None)
graph = {"quick": named("quick", Path("/")), "slow": named("slow", Path(sys.argv[2]), ("quick",))}
summary, _ = build_bundle(graph, (), workshop, lambda process: print("waiting", flush=True), lambda *heard: None)
print("made", *summary.made, flush=True)
"""


def start(cache: Path, gate: Path) -> subprocess.Popen[str]:
    """Start a build whose second artefact is made as soon as `gate` exists."""
    command = [sys.executable, "-c", textwrap.dedent(SLOW_BUILD), str(cache), str(gate)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    for said in process.stdout:
        if said.strip() == line:
            return
    raise AssertionError(f"the build ended without saying {line!r}")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_a_killed_build_leaves_whole_things_only_and_is_continued(tmp_path: Path, how: signal.Signals) -> None:
    gate, slow = tmp_path / "gate", tmp_path / "bundle" / "bin" / "slow"
    with start(tmp_path, gate) as process:
        wait_for(process, "making slow")
        os.kill(process.pid, how)
        if how is signal.SIGINT:  # a step that cannot be interrupted ends first
            gate.touch()
    assert process.returncode != 0
    assert (tmp_path / "bundle" / "bin" / "quick").read_text() == "half and half"
    assert not slow.exists() or slow.read_text() == "half and half"
    with start(tmp_path, Path("/")) as process:
        wait_for(process, "made" if slow.exists() else "made slow")
    assert slow.read_text() == "half and half"
    assert not (tmp_path / "tmp").exists() or list((tmp_path / "tmp").iterdir()) == []


def test_a_second_build_waits_for_the_first_and_then_has_nothing_to_do(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with start(tmp_path, gate) as first:
        wait_for(first, "making slow")
        with start(tmp_path, gate) as second:
            wait_for(second, "waiting")
            gate.touch()
            wait_for(second, "made")


def test_turns_go_by_priority_then_by_arrival() -> None:
    slots, order = Slots(1), []
    guard = threading.Lock()

    def work(name: str, priority: int) -> None:
        with slots.take(priority), guard:
            order.append(name)

    with slots.take():
        threads = []
        for name, priority in (("late", 5), ("first", 0), ("second", 0)):
            threads.append(threading.Thread(target=work, args=(name, priority)))
            threads[-1].start()
            time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert order == ["first", "second", "late"]
