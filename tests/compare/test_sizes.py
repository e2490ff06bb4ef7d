"""Sizes that one model leaves free are those of the other."""

from __future__ import annotations

import pytest

from irstat.compare import compare
from irstat.errors import ShapeError, UsageError
from tests.support.models import model

BODY = "c = Conv<kernel_shape=[1,1]>(x, w)\ny = Relu(c)"
LAST = "t = Transpose<perm=[0,3,1,2]>(x)\nc = Conv<kernel_shape=[1,1]>(t, w)\ny = Relu(c)"
WEIGHT = "<float[4,3,1,1] w = {1,2,3,4,5,6,7,8,9,10,11,12}>"


def net(shape: str, body: str = BODY) -> object:
    made = model(f"net (float[{shape}] x) => (float[1] y) {WEIGHT} {{ {body} }}")
    made.graph.output[0].type.tensor_type.ClearField("shape")
    return made


def sizes(result) -> list[tuple[object, ...]]:
    first = [place for place in result.places if place.layer.family == "input"]
    return [place.a.shape for place in first]


def test_a_free_batch_is_that_of_the_other() -> None:
    result = compare(net("N,3,8,8"), net("2,3,8,8"))
    assert result.is_same
    assert result.sizes == ({"N": 2}, {})
    assert result.totals["macs"] == (1536, 1536)  # 12 weights at 2·64 pixels


def test_free_sizes_of_an_image_with_its_channels_last() -> None:
    result = compare(net("N,H,W,3", LAST), net("2,3,8,6"))
    assert result.is_same
    assert result.sizes[0] == {"N": 2, "H": 8, "W": 6}
    assert sizes(result) == [(2, 3, 8, 6)]


def test_what_both_leave_free_gets_a_default_which_is_said() -> None:
    result = compare(net("N,3,8,8"), net("batch,3,8,8"))
    assert result.sizes == ({"N": 1}, {"batch": 1})
    assert result.remarks == ("size N / batch is free: compared at 1 (--dim N=… for another)",)


def test_sizes_given() -> None:
    result = compare(net("N,3,8,8"), net("N,3,8,8"), dims={"N": 5})
    assert result.sizes == ({"N": 5}, {"N": 5})
    assert result.remarks == ()
    assert compare(net("N,3,8,8"), net("M,3,8,8"), dims={"N": 5}).sizes == ({"N": 5}, {"M": 5})


def test_other_sizes_are_a_remark() -> None:
    result = compare(net("1,3,8,8"), net("1,3,4,4"))
    assert result.is_same
    assert result.remarks == ("input x: 1×3×8×8 in A, 1×3×4×4 in B",)
    assert result.totals["macs"] == (768, 192)


def test_shapes_given() -> None:
    result = compare(net("1,3,8,8"), net("1,3,4,4"), inputs_b={"x": (1, 3, 8, 8)})
    assert result.remarks == ()
    assert result.totals["macs"] == (768, 768)


def test_bad_sizes() -> None:
    with pytest.raises(UsageError, match="neither model has a size named 'Q'; they have: N"):
        compare(net("N,3,8,8"), net("1,3,8,8"), dims={"Q": 5})
    with pytest.raises(ShapeError):
        compare(net("1,3,8,8"), net("1,3,8,8"), inputs_b={"x": (1, 4, 8, 8)})
    with pytest.raises(UsageError, match="'z'"):
        compare(net("1,3,8,8"), net("1,3,8,8"), inputs_a={"z": (1, 3, 8, 8)})
