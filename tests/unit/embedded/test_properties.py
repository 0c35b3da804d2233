"""Pulumi's property values survive the way over the wire."""

from __future__ import annotations

from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from portolan.embedded.kubernetes import properties
from portolan.embedded.kubernetes.properties import UNKNOWN, Secret, from_struct, mark_secrets, reveal, to_struct

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-properties.EXACT_INTEGER_LIMIT, properties.EXACT_INTEGER_LIMIT),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer()),
    st.text().filter(lambda text: text not in properties.UNKNOWN_STRINGS),
    st.just(UNKNOWN),
)
keys = st.text().filter(lambda text: text != properties.SIGNATURE)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4), st.builds(Secret, inner)
    ),
    max_leaves=20,
)


@given(st.dictionaries(keys, values, max_size=5))
def test_what_is_sent_is_what_is_read(fields: dict[str, object]) -> None:
    wire = to_struct(fields).SerializeToString()
    assert from_struct(struct_pb2.Struct.FromString(wire)) == fields


def test_whole_numbers_are_integers_again() -> None:
    struct = struct_pb2.Struct()
    struct.update({"replicas": 3, "share": 0.5})
    assert from_struct(struct) == {"replicas": 3, "share": 0.5}
    assert isinstance(from_struct(struct)["replicas"], int)


def test_a_secret_output_without_a_value_is_a_secret_that_is_not_known_yet() -> None:
    struct = to_struct({"a": {properties.SIGNATURE: properties.OUTPUT_SIGNATURE, "secret": True}})
    assert from_struct(struct) == {"a": Secret(UNKNOWN)}


def test_secrets_are_revealed_at_every_depth() -> None:
    assert reveal({"a": [Secret({"b": Secret(1)})]}) == {"a": [{"b": 1}]}


def test_what_was_secret_going_in_is_secret_coming_out() -> None:
    inputs = {"data": {"word": Secret("x")}, "list": [Secret(1), 2], "short": [Secret(1)]}
    live = {"data": {"word": "y", "more": "z"}, "list": [3, 4], "short": [5, 6], "status": {}}
    assert mark_secrets(live, inputs) == {
        "data": {"word": Secret("y"), "more": "z"},
        "list": [Secret(3), 4],
        "short": Secret([5, 6]),
        "status": {},
    }
