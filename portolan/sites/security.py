"""How the site's hosts are guarded: who gets in, what is recorded, what is watched."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from portolan.model import Model
from portolan.sites.rules import fault

RuleFile = Annotated[str, Field(pattern=r"^/[^\s]+\.rules$")]


class Security(Model):
    """What guards the hosts. The defaults are what every host is expected to have and what costs next to nothing.

    `operators` and `clients` are the ranges that SSH and the published services may be reached from; empty: any.
    """

    firewall: bool = True
    operators: tuple[IPv4Network, ...] = ()
    clients: tuple[IPv4Network, ...] = ()
    audit: bool = True
    file_integrity: bool = False
    intrusion_detection: bool = False  # Suricata, on the hosts at the site's edge
    intrusion_rules: tuple[RuleFile, ...] = ()  # of the administration, on the controller
    ban_repeated_failures: bool = False
    benchmarks: bool = False  # lynis, every week, its report kept on the host
    automatic_updates: Literal["none", "security"] = "none"

    @model_validator(mode="after")
    def _rules_are_read(self) -> Self:
        names = [PurePosixPath(path).name for path in self.intrusion_rules]
        for place, name in enumerate(names):
            if name in names[:place]:
                raise fault(
                    ("security", "intrusion_rules", place),
                    f"two files are called {name}, and the hosts keep them in one directory",
                    "give each a name of its own",
                )
        if names and not self.intrusion_detection:
            raise fault(
                ("security", "intrusion_rules"),
                "nothing reads the rules: intrusion_detection is off",
                "give security.intrusion_detection: true, or remove the rules",
            )
        return self
