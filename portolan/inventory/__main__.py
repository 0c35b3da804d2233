"""`python -m portolan.inventory SITE --list|--host NAME`: the inventory, without the rest of the command line."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from portolan.errors import EXIT_COULD_NOT_RUN, PortolanError


def main() -> int:
    """Print the inventory document on standard output."""
    parser = argparse.ArgumentParser(prog="portolan-inventory", description=__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--host")
    arguments = parser.parse_args()
    from portolan.inventory.document import inventory
    from portolan.inventory.sources import read_sources

    try:
        document = inventory(read_sources(arguments.site))
    except PortolanError as error:
        print(error, file=sys.stderr)
        return EXIT_COULD_NOT_RUN
    chosen = document["_meta"]["hostvars"].get(arguments.host, {}) if arguments.host else document
    print(json.dumps(chosen, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
