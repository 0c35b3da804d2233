"""`python -m benchmarks.provisioning`: build a throw-away site, measure, take it down, print and keep the figures."""

from __future__ import annotations

import sys
from enum import StrEnum

import typer

from benchmarks.figures import Figure, good, show, write
from benchmarks.provisioning import hosts, platform, scale
from benchmarks.provisioning.site import standing_hosts
from portolan.errors import EXIT_COULD_NOT_RUN, EXIT_FAILED, PortolanError
from portolan.output import people


class Part(StrEnum):
    """What can be measured alone."""

    HOSTS = "hosts"
    PLATFORM = "platform"
    SCALE = "scale"
    ALL = "all"


def main(
    only: Part = typer.Option(
        Part.ALL, "--only", help="hosts: Ansible and kubeadm; platform: Pulumi, kubectl, idle; scale: 1, 3, 6 hosts."
    ),
    repeat: int = typer.Option(1, "--repeat", min=1, help="How often Ansible and kubeadm are timed, in turns."),
    keep: bool = typer.Option(False, "--keep", help="Leave the benchmark's hosts standing."),
) -> None:
    """Measure how long a site takes to come up, beside the bare tools on the same hosts in the same run.

    Exit code 0: every ratio is within its limit. 1: one is not. 2: it could not run.
    """
    figures: list[Figure] = []
    if only is Part.SCALE:
        figures = scale.measure(keep)
        show("Provisioning", figures, write("provisioning", figures))
        raise typer.Exit(EXIT_FAILED if any(good(one) is False for one in figures) else 0)
    with standing_hosts(keep) as bench:
        if only in (Part.HOSTS, Part.ALL):
            figures += hosts.measure(bench, repeat)
            write("provisioning", figures)
        else:
            hosts.playbook(bench)
        if only in (Part.PLATFORM, Part.ALL):
            figures += platform.measure(bench)
    show("Provisioning", figures, write("provisioning", figures))
    raise typer.Exit(EXIT_FAILED if any(good(one) is False for one in figures) else 0)


if __name__ == "__main__":
    try:
        typer.run(main)
    except PortolanError as error:
        people.print(f"error: {error}", markup=False, soft_wrap=True)
        sys.exit(EXIT_COULD_NOT_RUN)
