"""Carry anonymised declarations into the object store of another cluster, which bursts there learn from.

Run on site, in the training image: `python carry.py s3://anonymised/`. AWS_ENDPOINT_URL names the store on site, and
CARRY_ENDPOINT_URL, CARRY_ACCESS_KEY_ID and CARRY_SECRET_ACCESS_KEY the other one and the key that may write there.
What has arrived unchanged is left alone, so that it can be run again and again over a line that is sometimes cut.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Protocol

FILES = ("train.csv", "valid.csv")
TARGET = {
    "AWS_ENDPOINT_URL": "CARRY_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID": "CARRY_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY": "CARRY_SECRET_ACCESS_KEY",
}


class Store(Protocol):
    """Where named bytes are read and written."""

    def read(self, name: str) -> bytes:
        """Return the bytes called `name`."""

    def write(self, name: str, content: bytes) -> None:
        """Put `content` under `name`."""


def carry(here: Store, there: Store, missing: type[Exception]) -> list[str]:
    """Copy what is not the same in the other store; return the names of what was copied.

    `missing` is what a store raises for a name that it does not have.
    """
    copied = []
    for name in FILES:
        content = here.read(name)
        try:
            same = there.read(name) == content
        except missing:
            same = False
        if not same:
            there.write(name, content)
            copied.append(name)
    return copied


def opened(
    address: str, open_store: Callable[[str], Store], forget_keys: Callable[[], None] = lambda: None
) -> tuple[Store, Store]:
    """Open the store on site and the other one; a client reads its endpoint and keys when it is made.

    `forget_keys` makes the library read them again: it keeps those of its first client.
    """
    here = open_store(address)
    os.environ.update({name: os.environ[variable] for name, variable in TARGET.items()})
    forget_keys()
    return here, open_store(address)


def main(address: str) -> None:
    """Carry what lies at `address` on site to the same address of the other store."""
    import boto3
    from model_server.errors import ServiceError
    from model_server.storage import open_store

    here, there = opened(address, open_store, boto3.setup_default_session)
    copied = carry(here, there, ServiceError)
    print(f"carried to {os.environ['CARRY_ENDPOINT_URL']}: {', '.join(copied) or 'nothing new'}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
