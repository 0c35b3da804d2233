"""Whose tokens the API server believes, and what groups may do: told to the control plane by the site file alone."""

from __future__ import annotations

import pytest

from portolan.errors import PortolanError
from portolan.inventory.document import Sources, inventory
from portolan.inventory.identity import authentication, cluster_objects, read_authorities
from portolan.sites.identity import OpenIdConnect
from tests.unit.inventory.test_document import sources
from tests.unit.sites.test_devices import site

ISSUER = {"issuer_url": "https://id.example"}


def bound(chosen: OpenIdConnect) -> dict[str, list[str]]:
    """Return the groups that have each role."""
    return {
        one["roleRef"]["name"]: [subject["name"] for subject in one.get("subjects", [])]
        for one in cluster_objects(chosen)
        if one["kind"] == "ClusterRoleBinding"
    }


def test_a_site_without_an_issuer_tells_nothing_of_one():
    assert not [name for name in inventory(sources())["all"]["vars"] if name.startswith("identity")]


def test_every_control_plane_is_told_the_same_of_the_issuer():
    told = inventory(Sources(site=site(host={}, identity={"open_id_connect": ISSUER}), state="/s", bundle="/b"))
    assert told["all"]["vars"]["identity_authentication"]["jwt"][0]["issuer"]["url"] == "https://id.example"
    assert not [name for name in told["_meta"]["hostvars"]["control-1"] if name.startswith("identity")]


def test_a_token_is_for_this_cluster_and_its_names_cannot_be_the_clusters_own():
    (entry,) = authentication(OpenIdConnect(**ISSUER, required_claims={"hd": "customs"}), {})["jwt"]
    assert entry["issuer"]["audiences"] == ["kubernetes"]
    assert {one["prefix"] for one in entry["claimMappings"].values()} == {"oidc:"}
    assert entry["claimValidationRules"] == [{"claim": "hd", "requiredValue": "customs"}]


def test_each_level_has_what_the_level_before_it_has():
    found = bound(
        OpenIdConnect(**ISSUER, groups={"viewers": ["audit"], "operators": ["ops"], "administrators": ["it"]})
    )
    assert found == {
        "view": ["oidc:audit"],
        "edit": ["oidc:ops"],
        "portolan:viewer": ["oidc:audit", "oidc:ops"],
        "portolan:operator": ["oidc:ops"],
        "cluster-admin": ["oidc:it"],
    }


def test_a_level_without_groups_is_bound_to_nobody_so_that_who_had_it_loses_it():
    assert set(map(tuple, bound(OpenIdConnect(**ISSUER)).values())) == {()}


def test_the_authoritys_certificate_is_read_on_the_controller(tmp_path):
    path = tmp_path / "id.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n")
    here = site(host={}, identity={"open_id_connect": {**ISSUER, "certificate_authority": str(path)}})
    chosen = here.identity.open_id_connect
    assert (
        authentication(chosen, read_authorities(here))["jwt"][0]["issuer"]["certificateAuthority"] == path.read_text()
    )


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), ("a key", "is no certificate in PEM")])
def test_an_authority_that_is_none_is_refused_before_any_host_is_touched(tmp_path, content, said):
    path = tmp_path / "id.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(PortolanError, match=said):
        read_authorities(site(host={}, identity={"open_id_connect": {**ISSUER, "certificate_authority": str(path)}}))


OWN = {"directory": {"domain": "customs.example", "server": "control-1"}}


def test_every_host_asks_the_sites_own_directory_and_one_carries_it():
    made = inventory(Sources(site=site(host={}, identity=OWN), state="/s", bundle="/b"))
    assert made["directory_server"]["hosts"] == ["control-1"]
    assert made["directory_member"]["hosts"] == ["control-1", "gpu-1"]
    told = made["all"]["vars"]["identity_directory"]
    assert (told["base"], told["realm"]) == ("dc=customs,dc=example", "CUSTOMS.EXAMPLE")


def test_an_existing_directory_is_joined_and_carried_by_nobody(tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\n")
    existing = {
        "urls": ["ldaps://ldap.customs.example"],
        "base": "ou=staff,dc=customs",
        "certificate_authority": str(path),
    }
    here = site(host={}, identity={"directory": {"domain": "customs.example", "existing": existing}})
    made = inventory(Sources(site=here, state="/s", bundle="/b", authorities=read_authorities(here)))
    assert made["directory_server"]["hosts"] == []
    told = made["all"]["vars"]["identity_directory"]
    assert (told["base"], told["authority"], told["bind_as"]) == ("ou=staff,dc=customs", path.read_text(), "")


def test_no_password_is_told_by_the_inventory():
    told = inventory(Sources(site=site(host={}, identity=OWN), state="/s", bundle="/b"))["all"]["vars"]
    assert not [key for key in told["identity_directory"] if "password" in key]
