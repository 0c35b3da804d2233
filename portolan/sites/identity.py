"""Who people are, and what their groups may do: on hosts by a directory, in the cluster by an issuer of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from portolan.model import Model
from portolan.sites.rules import DnsLabel, fault

if TYPE_CHECKING:
    from portolan.sites.hosts import Hosts

# A group as an issuer spells it: a name, a path of Keycloak's, an identity of Entra's.
TokenGroup = Annotated[str, Field(pattern=r"^[^\s:][^\s]{0,254}$")]
# As Unix, LDAP and sudo all take it.
UnixGroup = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
DistinguishedName = Annotated[str, Field(pattern=r"^[A-Za-z]+=[^,=]+(,[A-Za-z]+=[^,=]+)*$")]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]
ControllerPath = Annotated[str, Field(pattern=r"^/[^\s]+$")]


class GroupRoles(Model):
    """Groups by what they may do in the cluster; each level has what the level before it has."""

    viewers: tuple[TokenGroup, ...] = ()  # see everything but secrets
    operators: tuple[TokenGroup, ...] = ()  # change what runs; cordon and drain nodes
    administrators: tuple[TokenGroup, ...] = ()  # everything

    @model_validator(mode="after")
    def _one_level_each(self) -> Self:
        levels: dict[str, str] = {}
        for level in ("viewers", "operators", "administrators"):
            for place, group in enumerate(getattr(self, level)):
                if group in levels:
                    raise fault(
                        ("identity", "open_id_connect", "groups", level, place),
                        f"group {group} is already of {levels[group]}",
                        "keep it once: a level has what the levels before it have",
                    )
                levels[group] = level
        return self


class OpenIdConnect(Model):
    """The issuer, and how its tokens are read. The defaults are Keycloak's claims."""

    issuer_url: Annotated[str, Field(pattern=r"^https://[^\s/?#]+(/[^\s?#]*)?$")]
    client_id: Annotated[str, Field(pattern=r"^[^\s]+$")] = "kubernetes"  # whom a token must be made out to
    username_claim: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "preferred_username"
    groups_claim: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "groups"
    # Before users and groups, so that no token can name one of the cluster's own, such as system:masters.
    prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*:$")] = "oidc:"
    required_claims: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")], str] = {}
    certificate_authority: ControllerPath | None = (
        None  # PEM on the controller; None: what the API server's image trusts
    )
    groups: GroupRoles = GroupRoles()

    @model_validator(mode="after")
    def _prefix_is_not_the_clusters_own(self) -> Self:
        if self.prefix == "system:":
            raise fault(
                ("identity", "open_id_connect", "prefix"),
                "prefix system: is the cluster's own: a token could name whom it likes",
                "choose another, for example oidc:",
            )
        return self


class ExistingDirectory(Model):
    """The administration's own directory, which hosts join; only over TLS."""

    urls: Annotated[
        tuple[Annotated[str, Field(pattern=r"^ldaps://[A-Za-z0-9][A-Za-z0-9.:-]*$")], ...], Field(min_length=1)
    ]
    base: DistinguishedName
    kind: Literal["rfc2307", "rfc2307bis", "ad"] = "rfc2307bis"  # how groups name their members
    certificate_authority: ControllerPath
    bind_as: DistinguishedName | None = None  # None: the directory answers anybody
    bind_password_file: ControllerPath | None = None
    kerberos_servers: tuple[HostName, ...] = ()  # empty: passwords are tried at the directory itself


class Directory(Model):
    """Who may come in on the hosts: people of a directory, by their groups.

    Without `existing`, the host `server` carries one of the site's own: slapd and krb5.
    """

    domain: Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")]  # in capitals it is Kerberos's realm
    server: DnsLabel | None = None
    existing: ExistingDirectory | None = None
    administrators: tuple[UnixGroup, ...] = ("administrators",)  # come in, and do everything by sudo
    operators: tuple[UnixGroup, ...] = ("operators",)  # come in

    @property
    def base(self) -> str:
        """Return the directory's root."""
        return self.existing.base if self.existing else ",".join(f"dc={part}" for part in self.domain.split("."))

    @property
    def realm(self) -> str:
        """Return Kerberos's realm."""
        return self.domain.upper()

    @model_validator(mode="after")
    def _one_directory(self) -> Self:
        at = ("identity", "directory")
        if (self.server is None) == (self.existing is None):
            raise fault(
                at,
                "a directory is either the site's own or an existing one",
                "name the host that carries it (`server`), or the administration's own (`existing`), and not both",
            )
        if self.existing and (self.existing.bind_as is None) != (self.existing.bind_password_file is None):
            raise fault(
                (*at, "existing"),
                "bind_as and bind_password_file belong together",
                "give both, or none where the directory answers anybody",
            )
        for place, group in enumerate(self.operators):
            if group in self.administrators:
                raise fault(
                    (*at, "operators", place), f"group {group} is of administrators already", "keep it in one list"
                )
        return self


class Identity(Model):
    """Where people come from."""

    open_id_connect: OpenIdConnect | None = None
    directory: Directory | None = None


def check_identity(identity: Identity | None, hosts: Hosts) -> None:
    """Refuse a directory on a host that the site has not. Raises the site file's own error."""
    server = identity.directory.server if identity and identity.directory else None
    names = [node.name for node in hosts.nodes]
    if server is not None and server not in names:
        raise fault(
            ("identity", "directory", "server"), f"there is no host '{server}'", f"give one of {', '.join(names)}"
        )
