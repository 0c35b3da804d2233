"""In which order keys of secrets are laid, and which secrets are written again: pure decisions of the playbook."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.ansible.loading import ANSIBLE, load

order = load("filter_plugins/encryption.py")
module = load("library/encrypted_secrets.py")


def whole_change(begin: list[int]) -> list[list[int]]:
    """Return every order that a change of the key goes through."""
    steps = [begin, order.with_new_key(begin)]
    steps.append(order.newest_first(steps[-1]))
    return [*steps, steps[-1][:1]]


def test_a_change_goes_second_then_first_then_alone():
    assert whole_change([1]) == [[1], [1, 2], [2, 1], [2]]
    assert whole_change([7]) == [[7], [7, 8], [8, 7], [8]]


def test_between_any_two_steps_each_member_reads_what_the_other_encrypts():
    """One member is a step ahead of another for as long as API servers are restarted one at a time."""
    for before, after in pairwise(whole_change([1])[:-1]):
        assert before[0] in after
        assert after[0] in before


def test_the_last_step_needs_every_secret_under_the_new_key():
    """The old key cannot read them any more, so nothing else may be left: the module fails where something is."""
    *_, turned, alone = whole_change([1])
    assert alone[0] == turned[0]


@pytest.mark.parametrize("standing", [[1, 2], [2, 1]])
def test_a_change_that_was_cut_is_finished_and_not_begun_anew(standing: list[int]):
    assert order.with_new_key(standing) == standing
    assert order.newest_first(standing)[0] == 2


@pytest.mark.parametrize("text", ["1 2 3", "1 1", "one", "0", "-1"])
def test_an_order_that_somebody_damaged_is_refused(text: str):
    with pytest.raises(ValueError, match="is no order of one or two keys"):
        order.key_order(text)


def test_each_key_has_a_file_of_its_own_and_the_first_keeps_its_name():
    assert [order.key_file(one) for one in (1, 2, 3)] == [
        "etcd-encryption-key",
        "etcd-encryption-key-2",
        "etcd-encryption-key-3",
    ]


def test_secrets_under_the_old_key_or_under_none_are_written_again():
    found = [
        ("/registry/secrets/a/new", b"k8s:enc:secretbox:v1:portolan-2:xyz"),
        ("/registry/secrets/a/old", b"k8s:enc:secretbox:v1:portolan-1:xyz"),
        ("/registry/secrets/b/plain", b"k8s\x00\n"),
        ("/registry/secrets/c/similar", b"k8s:enc:secretbox:v1:portolan-22:xyz"),
    ]
    left = module.under_another(found, "portolan-2")
    assert left == ["/registry/secrets/a/old", "/registry/secrets/b/plain", "/registry/secrets/c/similar"]
    assert module.namespaces(left) == ["a", "b", "c"]


def test_api_servers_are_restarted_one_at_a_time():
    text = (ANSIBLE / "encryption.yml").read_text(encoding="utf-8")
    for play in text.split("\n- name: ")[1:]:
        assert ("tasks_from: key.yml" in play) == ("serial: 1" in play)
