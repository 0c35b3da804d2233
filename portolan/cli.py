"""The `portolan` command: each room brings its own commands, this module only gathers them."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from types import FrameType

import typer

from portolan import __version__
from portolan.errors import EXIT_COULD_NOT_RUN, PortolanError
from portolan.output import people

# A room's `commands` module has a function `register(app)`.
ROOMS = (
    "portolan.sites.commands",
    "portolan.requirements.commands",
    "portolan.sizing.commands",
    "portolan.cloud.commands",
    "portolan.costing.commands",
    "portolan.report.commands",
    "portolan.bundle.commands",
    "portolan.sandbox.commands",
    "portolan.inventory.commands",
    "portolan.inventory.lifecycle",
    "portolan.platform.commands",
    "portolan.conformity.commands",
    "portolan.delivery.commands",
)


TYPER_INTERRUPTED = 130  # what typer makes of a KeyboardInterrupt


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


def application() -> typer.Typer:
    """Assemble the command line from the rooms."""
    app = typer.Typer(
        name="portolan",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="From a customs administration's site file to a Kubernetes AI platform that stands and proves it.",
    )

    @app.callback()
    def main(
        version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    ) -> None:
        pass

    for room in ROOMS:
        import_module(room).register(app)
    return app


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _refuse(where: str, what: str, remedy: str) -> None:
    people.print("error:", style="bold red", end=" ")
    people.print(f"{where}: {what}", soft_wrap=True, markup=False)
    people.print(f"  remedy: {remedy}", soft_wrap=True, markup=False)


def run() -> None:
    """Entry point: run, and turn bad input and interruption into one clear message and exit code 2."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        application()()
    except PortolanError as error:
        _refuse(error.where, error.what, error.remedy)
        if os.environ.get("PORTOLAN_TRACEBACK"):
            raise
        sys.exit(EXIT_COULD_NOT_RUN)
    except SystemExit as stop:
        if stop.code == TYPER_INTERRUPTED:
            _refuse("portolan", "interrupted", "run the same command again: it continues where it stopped")
            sys.exit(EXIT_COULD_NOT_RUN)
        raise
