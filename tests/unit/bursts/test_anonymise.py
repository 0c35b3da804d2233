"""What leaves the site names nobody, and can still be learnt from."""

from __future__ import annotations

import pytest

from services.bursts import anonymise as module
from services.bursts.anonymise import RARE, anonymise, common_parties, read, rounded, written

KEY = b"k" * 32


def row(number, importer, **more):
    return {
        "Declaration ID": str(number),
        "Date": "2020-03-17",
        "Declarant ID": "DDDDDDD",
        "Importer ID": importer,
        "Seller ID": "",
        "Courier ID": "",
        "HS6 Code": "440890",
        "Net Mass": "108.0",
        "Item Price": "372254.4",
        "Fraud": "0",
        **more,
    }


ROWS = [row(number, "OFTENXX") for number in range(6)] + [row(9, "SELDOMX")]


@pytest.fixture
def made():
    return anonymise(ROWS, common_parties(ROWS), KEY, 1)


def test_no_name_and_no_number_of_a_declaration_is_left(made):
    text = written(made).decode()
    assert not any(name in text for name in ("OFTENXX", "SELDOMX", "DDDDDDD"))
    assert {one["Declaration ID"] for one in made} == {str(number) for number in range(1, 8)}


def test_a_party_stays_one_party_and_a_rare_one_is_one_of_many(made):
    assert len({one["Importer ID"] for one in made[:6]}) == 1
    assert made[6]["Importer ID"] == RARE


def test_another_key_gives_other_names():
    first, second = (anonymise(ROWS, common_parties(ROWS), key, 1)[0]["Importer ID"] for key in (KEY, b"x" * 32))
    assert first != second


def test_days_become_months_and_numbers_lose_digits(made):
    assert {one["Date"] for one in made} == {"2020-03-01"}
    assert {one["Item Price"] for one in made} == {"370000.0"}
    assert rounded("108.0") == "110.0"


def test_what_training_learns_from_stays(made):
    assert [one["HS6 Code"] for one in made] == [one["HS6 Code"] for one in ROWS]
    assert [one["Fraud"] for one in made] == [one["Fraud"] for one in ROWS]
    assert {one["Seller ID"] for one in made} == {""}


def test_the_file_is_read_back_as_it_was_written(made):
    assert read(written(made)) == made


def test_the_key_is_made_anew_each_time(monkeypatch, tmp_path):
    keys = []
    real = module.secrets.token_bytes
    monkeypatch.setattr(module.secrets, "token_bytes", lambda size: keys.append(real(size)) or keys[-1])

    class Store(dict):
        def read(self, name):
            return self[name]

        def write(self, name, content):
            self[name] = content

    import sys
    import types

    here, there = Store({name: written(ROWS) for name in ("train.csv", "valid.csv")}), Store()
    storage = types.ModuleType("model_server.storage")
    storage.open_store = lambda address: here if address == "here" else there
    monkeypatch.setitem(sys.modules, "model_server", types.ModuleType("risk_scoring"))
    monkeypatch.setitem(sys.modules, "model_server.storage", storage)
    module.main("here", "there")
    module.main("here", "there")
    assert len(set(keys)) == 2
    assert b"OFTENXX" not in there["train.csv"]
