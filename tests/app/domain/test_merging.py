"""Merge patches, by the examples of RFC 7396 and by our one exception."""

import pytest

from app.domain.merging import merged


@pytest.mark.parametrize(
    ("whole", "changes", "expected"),
    [  # appendix A of the RFC, where both sides are objects
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_as_the_rfc_says(whole, changes, expected):
    before = repr(whole)
    assert merged(whole, changes) == expected
    assert repr(whole) == before


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "sgd", "momentum": 0.8}, {"name": "sgd", "momentum": 0.8, "nesterov": True}),
        ({"name": "adamw"}, {"name": "adamw"}),
    ],
)
def test_another_name_is_another_object(changes, expected):
    optimizer = {"name": "sgd", "momentum": 0.9, "nesterov": True}
    assert merged({"optimizer": optimizer}, {"optimizer": changes}) == {"optimizer": expected}
