"""What a run adds up to, event by event."""

from __future__ import annotations

from portolan.inventory.events import End, Play, Tally, TaskResult


def result(host: str, role: str, task: str = "do it", status: str = "ok", seconds: float = 0.5) -> TaskResult:
    return TaskResult(kind="result", host=host, role=role, task=task, status=status, seconds=seconds)


def play(*hosts: str) -> Play:
    return Play(kind="play", play="prepare", hosts=hosts)


def test_a_role_is_told_when_its_last_host_has_left_it():
    tally = Tally()
    tally.take(play("one", "two"), 0.0)
    assert tally.take(result("one", "os"), 1.0) == []
    assert tally.take(result("two", "os"), 1.0) == []
    assert tally.take(result("one", "containerd"), 2.0) == []
    (finished,) = tally.take(result("two", "containerd"), 4.0)
    assert (finished.role, finished.hosts, finished.changed) == ("os", 2, 0)
    assert finished.seconds == 3.0


def test_a_host_that_failed_is_not_waited_for():
    tally = Tally()
    tally.take(play("one", "two"), 0.0)
    tally.take(result("one", "os"), 1.0)
    tally.take(result("two", "os", status="failed"), 1.0)
    (finished,) = tally.take(result("one", "containerd"), 2.0)
    assert finished.role == "os"
    assert [failure.host for failure in tally.failures] == ["two"]


def test_the_end_of_a_play_finishes_its_roles():
    tally = Tally()
    tally.take(play("one"), 0.0)
    tally.take(result("one", "storage", status="changed"), 1.0)
    (finished,) = tally.take(End(kind="end", hosts={"one": {"ok": 1}}), 2.0)
    assert (finished.role, finished.changed) == ("storage", 1)
    assert tally.ended


def test_a_task_is_as_slow_as_on_its_slowest_host():
    tally = Tally()
    tally.take(play("one", "two"), 0.0)
    tally.take(result("one", "images", "import", seconds=2.0), 2.0)
    tally.take(result("two", "images", "import", seconds=9.0), 9.0)
    tally.take(result("one", "images", "clean", seconds=1.0), 10.0)
    assert [(task.task, task.seconds) for task in tally.slowest(1)] == [("import", 9.0)]


def test_changed_tasks_are_listed_by_host():
    tally = Tally()
    tally.take(play("one"), 0.0)
    tally.take(result("one", "os", "write", status="changed"), 1.0)
    assert [(one.host, one.role, one.task) for one in tally.changed] == [("one", "os", "write")]
