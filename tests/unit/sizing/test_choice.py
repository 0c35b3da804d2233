"""The programme's choice against all choices there are."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from portolan.sizing.choice import Candidate, cheapest

NODES = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 64), st.integers(1, 64)), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(nodes=NODES, cores=st.integers(1, 300), memory=st.integers(1, 300), spare=st.integers(0, 2))
def test_the_optimum_is_that_of_an_exhaustive_search(
    nodes: list[tuple[int, int, int]], cores: int, memory: int, spare: int
) -> None:
    candidates = [Candidate(str(place), price, {"cores": c, "memory": m}) for place, (price, c, m) in enumerate(nodes)]
    found = cheapest(candidates, {"cores": cores, "memory": memory}, least=1, spare=spare)
    best = min(price * (max(math.ceil(cores / c), math.ceil(memory / m)) + spare) for price, c, m in nodes)
    assert found is not None
    chosen, count = candidates[int(found[0])], found[1]
    assert (count - spare) * chosen.gives["cores"] >= cores
    assert (count - spare) * chosen.gives["memory"] >= memory
    assert chosen.cost * count == best


def test_a_need_that_nothing_meets_has_no_choice() -> None:
    assert cheapest([Candidate("cpu", 1, {"cores": 8})], {"cores": 4, "teraflops": 10}) is None
