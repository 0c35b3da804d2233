"""What the parts of the schema share: names, and errors of rules that span several keys."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address
from typing import Annotated

from pydantic import Field
from pydantic_core import PydanticCustomError

DnsLabel = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$")]


def fault(at: Sequence[str | int], what: str, remedy: str) -> PydanticCustomError:
    """Return the error for a rule that spans several keys; `at` is the path, from the root, of the key to change."""
    return PydanticCustomError("site_rule", "{what}", {"what": what, "at": list(at), "remedy": remedy})


def check_address(at: tuple[str | int, ...], address: str) -> None:
    """Refuse what is no IPv4 address; `at` is the path of its key. Raises the site file's own error."""
    try:
        IPv4Address(address)
    except AddressValueError as error:
        raise fault(
            at, f"'{address}' is not an IPv4 address", "give one such as 192.0.2.11, without a length"
        ) from error
