#!/usr/bin/python3
"""Managed by Portolan. Brings this host's GPUs to what /etc/portolan/accelerators.json says.

accelerators check   prints as JSON what there is to do, and changes nothing
accelerators apply   does it; prints a line for each step
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

WANTED = Path("/etc/portolan/accelerators.json")
FIELDS = ("index", "name", "ecc.mode.current", "ecc.mode.pending", "mig.mode.current", "mig.mode.pending")
QUERY = ("nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader")
PERSISTENCE = "nvidia-persistenced"


def gpus(facts: str, listing: str) -> list[dict[str, object]]:
    """Return each GPU with its modes and instances, by `nvidia-smi --query-gpu` and `nvidia-smi --list-gpus`."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(facts.splitlines()) if row]
    parts = re.split(r"^GPU (\d+): .*$", listing, flags=re.MULTILINE)[1:]
    instances = {
        int(index): Counter(re.findall(r"^\s+MIG (\S+)\s", text, flags=re.MULTILINE))
        for index, text in zip(parts[::2], parts[1::2], strict=True)
    }
    found: list[dict[str, object]] = []
    for row in rows:
        one: dict[str, object] = dict(zip(FIELDS, row, strict=True))
        index = int(row[0])
        found.append({**one, "index": index, "instances": dict(instances.get(index, Counter()))})
    return found


def steps(gpu: dict[str, object], wanted: dict[str, object]) -> list[str]:
    """Return what has to be done to one GPU, of: ecc, mode, split, restart.

    A mode that is pending takes effect at the next start of the host; until then there is nothing else to do.
    """
    found = []
    if wanted["ecc"] and gpu["ecc.mode.pending"] == "Disabled":
        found.append("ecc")
    elif wanted["ecc"] and gpu["ecc.mode.current"] == "Disabled":
        found.append("restart")
    partitions = wanted["partitions"]
    if partitions is None or gpu["mig.mode.current"] not in ("Enabled", "Disabled"):
        return found  # somebody else's, or a GPU that cannot be split
    mode = "Enabled" if partitions else "Disabled"
    if gpu["mig.mode.pending"] != mode:
        found.append("mode")
    elif gpu["mig.mode.current"] != mode:
        found.append("restart")
    if partitions and gpu["instances"] != partitions:
        found.append("split")
    return list(dict.fromkeys(found))


def largest_first(partitions: dict[str, int]) -> list[str]:
    """Return the profile of each instance, the largest first: small ones then lie in what is left.

    >>> largest_first({"1g.10gb": 2, "3g.40gb": 1})
    ['3g.40gb', '1g.10gb', '1g.10gb']
    """

    def size(profile: str) -> tuple[int, int]:
        memory, processors = re.search(r"\.(\d+)gb", profile), re.match(r"\d+", profile)
        return (int(memory.group(1)) if memory else 0, int(processors.group()) if processors else 0)

    return [name for name in sorted(partitions, key=size, reverse=True) for _ in range(partitions[name])]


def say(*command: str) -> str:
    """Return what a command prints; ends the program with its complaint where it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def look() -> list[dict[str, object]]:
    return gpus(say(*QUERY), say("nvidia-smi", "--list-gpus"))


def refuse_if_used(index: int) -> None:
    """End the program where something runs on the GPU: its instances cannot be changed below it."""
    users = say("nvidia-smi", f"--id={index}", "--query-compute-apps=pid", "--format=csv,noheader").split()
    if users:
        sys.exit(f"GPU {index} is used by {len(users)} processes; drain the node, then run it again")


def set_mode(index: int, partitions: dict[str, int]) -> None:
    """Turn splitting on or off; a GPU that wants a reset for it gets one, else the next start of the host does."""
    subprocess.run(["systemctl", "stop", PERSISTENCE], check=False)
    try:
        say("nvidia-smi", f"--id={index}", f"--multi-instance-gpu={1 if partitions else 0}")
        (gpu,) = (one for one in look() if one["index"] == index)
        if gpu["mig.mode.current"] != gpu["mig.mode.pending"]:
            subprocess.run(["nvidia-smi", "--gpu-reset", f"--id={index}"], check=False, capture_output=True)
    finally:
        subprocess.run(["systemctl", "start", PERSISTENCE], check=False)


def split(index: int, partitions: dict[str, int]) -> None:
    """Replace all instances of a GPU."""
    for kind in ("--destroy-compute-instance", "--destroy-gpu-instance"):
        # There may be none, which nvidia-smi calls an error.
        subprocess.run(["nvidia-smi", "mig", f"--id={index}", kind], check=False, capture_output=True)
    names = ",".join(largest_first(partitions))
    say("nvidia-smi", "mig", f"--id={index}", "--create-gpu-instance", names, "--default-compute-instance")


def apply(wanted: dict[str, object]) -> None:
    """Do what there is to do, GPU by GPU."""
    partitions = wanted["partitions"]
    for index in [int(str(gpu["index"])) for gpu in look()]:
        for step in ("ecc", "mode", "split"):
            (gpu,) = (one for one in look() if one["index"] == index)
            if step not in steps(gpu, wanted):
                continue
            if step == "ecc":
                say("nvidia-smi", f"--id={index}", "--ecc-config=1")
            else:
                assert isinstance(partitions, dict)
                refuse_if_used(index)
                if step == "split" and gpu["mig.mode.current"] != "Enabled":
                    continue  # first the host has to be started again
                (set_mode if step == "mode" else split)(index, partitions)
            print(f"GPU {index}: {step}")
    if any("restart" in steps(gpu, wanted) for gpu in look()):
        print("restart this host: a mode of its GPUs takes effect then")


def main() -> None:
    wanted = json.loads(WANTED.read_text(encoding="utf-8"))
    if sys.argv[1:] == ["check"]:
        found = look()
        todo = {str(gpu["index"]): steps(gpu, wanted) for gpu in found}
        print(json.dumps({"gpus": found, "todo": {index: one for index, one in todo.items() if one}}))
    elif sys.argv[1:] == ["apply"]:
        apply(wanted)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
