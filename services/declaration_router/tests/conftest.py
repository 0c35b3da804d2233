"""The router and the models behind it, as fixtures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parent, HERE.parents[1] / "model_server"):  # the suite may be started from anywhere
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from router_chain import CLASSIFICATION, RISK, VALUATION, Chain, Model, model_server, routing


@pytest.fixture(scope="session")
def whole() -> Iterator[Chain]:
    """The router and its three models."""
    models = {"risk": Model(RISK), "classification": Model(CLASSIFICATION), "valuation": Model(VALUATION)}
    servers = {name: model_server(model) for name, model in models.items()}
    addresses = {name: f"http://127.0.0.1:{server.server_port}/{name}-model" for name, server in servers.items()}
    with routing(**addresses) as client:
        yield Chain(client, **models)
    for server in servers.values():
        server.shutdown()
        server.server_close()


@pytest.fixture
def chain(whole: Chain) -> Chain:
    """The same, every model answering as usual."""
    for model, usual in ((whole.risk, RISK), (whole.classification, CLASSIFICATION), (whole.valuation, VALUATION)):
        model.reset(usual)
    return whole
