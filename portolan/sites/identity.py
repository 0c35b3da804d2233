"""Who people are, and what their groups may do: the issuer whose tokens the API server believes."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from portolan.model import Model
from portolan.sites.rules import fault

# A group as an issuer spells it: a name, a path of Keycloak's, an identity of Entra's.
TokenGroup = Annotated[str, Field(pattern=r"^[^\s:][^\s]{0,254}$")]
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


class Identity(Model):
    """Where people come from."""

    open_id_connect: OpenIdConnect | None = None
