#!/usr/bin/env python3
"""Stands in for nvidia-smi where there is no GPU: keeps modes and instances in the file that STAND_IN_GPUS names.

It knows the few calls that the role `gpu` makes, as NVIDIA's manual describes them. It proves nothing about a GPU.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

STATE = Path(os.environ["STAND_IN_GPUS"])


def main(arguments: list[str]) -> int:
    gpus = json.loads(STATE.read_text(encoding="utf-8"))
    options = dict(one.removeprefix("--").partition("=")[::2] for one in arguments if one.startswith("--"))
    chosen = [gpu for gpu in gpus if "id" not in options or gpu["index"] == int(options["id"])]
    if "query-gpu" in options:
        for gpu in chosen:
            print(", ".join(str(gpu[field]) for field in options["query-gpu"].split(",")))
    elif "list-gpus" in options:
        for gpu in gpus:
            print(f"GPU {gpu['index']}: {gpu['name']} (UUID: GPU-{gpu['index']})")
            for place, profile in enumerate(gpu["instances"]):
                print(f"  MIG {profile}     Device  {place}: (UUID: MIG-{gpu['index']}-{place})")
    elif "query-compute-apps" in options:
        for gpu in chosen:
            print("\n".join(map(str, gpu["users"])))
    else:
        for gpu in chosen:
            change(gpu, options, arguments)
        STATE.write_text(json.dumps(gpus), encoding="utf-8")
    return 0


def change(gpu: dict[str, object], options: dict[str, str], arguments: list[str]) -> None:
    if "ecc-config" in options:
        gpu["ecc.mode.pending"] = "Enabled"
    elif "multi-instance-gpu" in options:
        gpu["mig.mode.pending"] = "Enabled" if options["multi-instance-gpu"] == "1" else "Disabled"
        if gpu["at_once"]:  # from Hopper on the mode needs no reset
            gpu["mig.mode.current"] = gpu["mig.mode.pending"]
        if gpu["mig.mode.current"] == "Disabled":
            gpu["instances"] = []
    elif "gpu-reset" in options and gpu["can_reset"]:
        gpu["mig.mode.current"] = gpu["mig.mode.pending"]
    elif "destroy-gpu-instance" in options:
        gpu["instances"] = []
    elif "create-gpu-instance" in options:
        gpu["instances"] = arguments[arguments.index("--create-gpu-instance") + 1].split(",")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
