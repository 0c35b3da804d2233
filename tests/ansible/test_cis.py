"""Every item of the CIS benchmarks is done by a role that there is, or left out with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.ansible.loading import ANSIBLE
from tests.support.cis import CHECKED, DATA

ITEMS = YAML(typ="safe").load(DATA.read_text(encoding="utf-8"))


@pytest.mark.parametrize("section", sorted(ITEMS))
def test_each_item_is_done_or_left_out_with_a_reason(section: str):
    identities = [item["id"] for item in ITEMS[section]]
    assert len(set(identities)) == len(identities)
    for item in ITEMS[section]:
        assert ("by" in item) != ("left_out" in item), item
        assert len(item.get("left_out", "a reason is a sentence")) > 20, item
        assert item.get("check") or item.get("left_out") or item.get("left_out_by_default"), item
        if "by" in item:
            assert (ANSIBLE / "roles" / item["by"]).is_dir(), item


@pytest.mark.parametrize("section", sorted(ITEMS))
def test_each_check_is_of_a_kind_that_the_hosts_tests_know(section: str):
    for item in ITEMS[section]:
        check: dict[str, Any] = item.get("check", {})
        assert len(set(check) & set(CHECKED)) == (1 if check else 0), item
