"""Publish versions of a model and say which of them answer: `python -m model_server.registry --help`.

A registry is a folder or a prefix of a bucket: `versions/DIGEST/` holds a model by the digest of its files, signed,
`traffic.json` says which answer. The alias `champion` is the stable version and `challenger` the candidate.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from model_server import signing
from model_server.errors import EXIT_COULD_NOT_RUN, ServiceError
from model_server.sealed import MANIFEST, read_sealed
from model_server.storage import Store, open_store
from model_server.traffic import FILE, MODES, Guard, Policy, parse_policy


def publish(registry: Store, model: Store, key: bytes) -> str:
    """Copy a model into the registry under its digest, sign it, and return the digest. The first one is the champion.

    Raises ServiceError where the model is not whole.
    """
    digest = read_sealed(model).digest
    place = registry.below(f"versions/{digest}")
    manifest = model.read(MANIFEST)
    for name in json.loads(manifest)["files"]:
        place.write(name, model.read(name))
    place.write(MANIFEST, manifest)
    signing.sign(place, key)
    try:
        registry.read(FILE)
    except ServiceError:
        write(registry, Policy(stable=digest))
    return digest


def write(registry: Store, policy: Policy) -> None:
    """Put a policy in force."""
    content = (json.dumps(policy.document(), indent=2) + "\n").encode()
    parse_policy(content)
    registry.write(FILE, content)


def changed(policy: Policy, arguments: argparse.Namespace) -> Policy:
    """Return the policy that a command asks for. Raises ServiceError where there is nothing to change."""
    if arguments.command in MODES:
        percent = 0 if arguments.command == "shadow" else arguments.percent
        guard = Guard(**{field.name: getattr(arguments, field.name) for field in fields(Guard)})
        return replace(policy, candidate=arguments.digest, mode=arguments.command, percent=percent, guard=guard)
    if arguments.command == "promote":
        digest = arguments.digest or policy.candidate
        if digest is None:
            raise ServiceError(FILE, "there is no candidate", "name a digest")
        return Policy(stable=digest, guard=policy.guard)
    return Policy(stable=policy.stable, guard=policy.guard)  # stop


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="python -m model_server.registry", description=__doc__)
    made.add_argument("-o", "--output", choices=("table", "json"), default="table", help="how the result is printed")
    made.add_argument("--dry-run", action="store_true", help="say what would be in force; change nothing")
    commands = made.add_subparsers(dest="command", required=True)
    one = commands.add_parser("new-key", help="make a signing key: FILE and FILE.pub")
    one.add_argument("file", type=Path)
    one = commands.add_parser("publish", help="put a model into the registry, signed")
    one.add_argument("registry", help="folder or s3://BUCKET/PREFIX/")
    one.add_argument("model", help="folder or address of a trained model")
    one.add_argument("--key", type=Path, required=True, help="signing key (PEM)")
    for mode, text in (
        ("canary", "give a candidate an exact share of the requests"),
        ("shadow", "ask a candidate beside, and compare"),
        ("ab", "give a candidate a share of the units, always the same ones"),
    ):
        one = commands.add_parser(mode, help=text)
        one.add_argument("registry")
        one.add_argument("digest", help="of the candidate")
        if mode != "shadow":
            one.add_argument("--percent", type=int, required=True, help="whole per cent for the candidate")
        for field in fields(Guard):
            name = f"--{field.name.replace('_', '-')}"
            kind = int if isinstance(field.default, int) else float
            one.add_argument(name, type=kind, default=field.default, help="take it back at (default: %(default)s)")
    one = commands.add_parser("promote", help="make the candidate, or a digest, the stable version")
    one.add_argument("registry")
    one.add_argument("digest", nargs="?")
    one = commands.add_parser("stop", help="let the stable version answer alone")
    one.add_argument("registry")
    one = commands.add_parser("status", help="tell which versions answer")
    one.add_argument("registry")
    return made


def act(arguments: argparse.Namespace) -> dict[str, Any]:
    """Do what the command line says and return what is to be printed. Raises ServiceError."""
    if arguments.command == "new-key":
        return new_key(arguments.file)
    registry = open_store(arguments.registry)
    if arguments.command == "publish":
        return {"published": publish(registry, open_store(arguments.model), signing.read_key(arguments.key))}
    content = registry.read(FILE)
    policy = parse_policy(content)
    taken_back = json.loads(content).get("taken_back")
    if arguments.command != "status":
        policy, taken_back = changed(policy, arguments), None
        for digest in (policy.stable, policy.candidate):
            if digest is not None and read_sealed(registry.below(f"versions/{digest}")).digest != digest:
                raise ServiceError(f"versions/{digest}", "it holds another model", "publish it again")
        if not arguments.dry_run:
            write(registry, policy)
    aliases = {"champion": policy.stable, **({"challenger": policy.candidate} if policy.candidate else {})}
    return {"aliases": aliases, **policy.document(), **({"taken_back": taken_back} if taken_back else {})}


def new_key(file: Path) -> dict[str, Any]:
    """Write a signing key, for its owner only, and its public half. Raises ServiceError where one is there."""
    private = signing.new_key()
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(private)
        file.with_name(f"{file.name}.pub").write_bytes(signing.public_key(private))
    except OSError as error:
        raise ServiceError(str(file), error.strerror or str(error), "name a file that is not there yet") from None
    return {"key": str(file), "public": f"{file}.pub"}


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status; 2 where it could not run."""
    options = parser().parse_args(arguments)
    try:
        found = act(options)
    except ServiceError as error:
        print(error, file=sys.stderr)
        return EXIT_COULD_NOT_RUN
    if options.output == "json":
        print(json.dumps(found, indent=2))
    else:
        for name, value in found.items():
            print(f"{name:10} {json.dumps(value) if isinstance(value, dict) else value}")
    return 0


if __name__ == "__main__":
    sys.exit(run())
