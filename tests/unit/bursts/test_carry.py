"""Anonymised data arrive in the other store once, and again only when they changed."""

from __future__ import annotations

import pytest

from services.bursts.carry import FILES, TARGET, carry, opened


class Store(dict):
    def read(self, name):
        return self[name]

    def write(self, name, content):
        self[name] = content


def test_everything_is_carried_once():
    here, there = Store(dict.fromkeys(FILES, b"rows")), Store()
    assert carry(here, there, KeyError) == list(FILES)
    assert there == here
    assert carry(here, there, KeyError) == []


def test_what_changed_is_carried_again():
    here, there = Store(dict.fromkeys(FILES, b"new")), Store(dict.fromkeys(FILES, b"new") | {FILES[0]: b"old"})
    assert carry(here, there, KeyError) == [FILES[0]]


def test_nothing_is_carried_where_nothing_was_anonymised_yet():
    with pytest.raises(KeyError):
        carry(Store(), Store(), KeyError)


def test_each_store_is_opened_with_its_own_address_and_key(monkeypatch):
    seen = []
    for name in TARGET:
        monkeypatch.setenv(name, "site")
        monkeypatch.setenv(TARGET[name], "cloud")

    def open_store(address):
        import os

        seen.append((address, *(os.environ[name] for name in TARGET)))
        return Store()

    opened("s3://anonymised/", open_store)
    assert seen == [("s3://anonymised/", "site", "site", "site"), ("s3://anonymised/", "cloud", "cloud", "cloud")]
