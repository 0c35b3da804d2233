"""The option by which a command is narrowed to one cluster of a site. Imported at every start, so it imports little."""

from __future__ import annotations

from typing import Annotated

import typer

LOCATION = Annotated[
    str | None,
    typer.Option("--location", help="Of a site with a cluster in each location: only the cluster there."),
]
