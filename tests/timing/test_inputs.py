"""What a model is timed on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from irstat.errors import UsageError
from irstat.graph import Graph
from irstat.onnx_reader import load
from irstat.timing.inputs import Given, as_fed, feeding, read_arrays
from tests.support.models import model

LINEAR = "g (float[N,4] x) => (float[N,4] y) { y = Relu(x) }"
FIXED = "g (float[1,4] x) => (float[1,4] y) { y = Relu(x) }"
TWO = "g (float[N,T] x) => (float[N,T] y) { y = Relu(x) }"
WORDS = "g (string[N] x) => (string[N] y) { y = Identity(x) }"


def graph(text: str) -> Graph:
    return load(model(text))


def test_a_leading_size_is_one_until_somebody_says() -> None:
    found = feeding(graph(LINEAR), {}, None, {}, 0)
    assert (found.sizes, found.batch) == ({"N": 1}, 1)
    assert next(found.values())["x"].shape == (1, 4)
    assert feeding(graph(LINEAR), {"N": 3}, None, {}, 0).batch == 3
    assert feeding(graph(LINEAR), {}, 5, {}, 0).sizes == {"N": 5}
    assert feeding(graph(LINEAR), {"N": 5}, 5, {}, 0).sizes == {"N": 5}


def test_a_batch_binds_every_leading_size() -> None:
    two = graph("g (float[A,4] x, float[B,4] y, float[1,4] z) => (float[A,4] r, float[B,4] s, float[1,4] t)"
                "{ r = Relu(x)\n s = Relu(y)\n t = Relu(z) }")  # fmt: skip
    found = feeding(two, {}, 7, {}, 0)
    assert found.sizes == {"A": 7, "B": 7}
    assert found.batch is None  # z has one item, x and y have seven
    blank = graph("g (float[?,4] x) => (float[?,4] y) { y = Relu(x) }")
    assert feeding(blank, {}, 2, {}, 0).sizes == {"x_0": 2}


def test_random_values_depend_on_the_seed_only() -> None:
    one, same, other = (next(feeding(graph(LINEAR), {}, None, {}, seed).values())["x"] for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_indices_stay_inside_what_they_index() -> None:
    table = graph("g (int64[1,50] ids) => (float[1,50,2] y) <float[3,2] t = {1,2,3,4,5,6}> { y = Gather(t, ids) }")
    ranges = list(feeding(table, {}, None, {}, 0).values())
    assert set(ranges[0]["ids"].flatten()) == {0, 1, 2}
    assert [set(each["ids"].flatten()) for each in ranges[1:]] == [{1}, {0}]


def test_what_weights_fix_need_not_be_given() -> None:
    free = graph(f"g (float[N,C] x) => (float[N,2] y) <float[3,2] w = {{{','.join('1' * 6)}}}> {{ y = MatMul(x, w) }}")
    assert feeding(free, {}, None, {}, 0).sizes == {"N": 1, "C": 3}


def test_given_arrays_and_shapes() -> None:
    arrays: Given = {"x": np.ones((6, 4), np.float32)}
    found = feeding(graph(LINEAR), {}, None, arrays, 0)
    assert (found.batch, found.shapes) == (6, {"x": (6, 4)})
    assert next(found.values())["x"] is arrays["x"]
    assert feeding(graph(LINEAR), {}, None, {"x": (8, 4)}, 0).batch == 8
    assert feeding(graph(LINEAR), {}, 9, {"x": ("B", 4)}, 0).shapes == {"x": (9, 4)}
    words = as_fed({"w": np.array(["a", "bc"])})["w"]
    assert isinstance(words, np.ndarray)
    assert words.dtype == object


@pytest.mark.parametrize(
    ("text", "dims", "batch", "given", "message"),
    [
        (FIXED, {}, 2, {}, r"no input of g has a free leading size.*'x' \[1, 4\]"),
        (LINEAR, {}, 0, {}, "a batch of 0"),
        (LINEAR, {"N": 3}, 2, {}, "given twice, as 3 with --dim and as 2 with --batch"),
        (LINEAR, {"M": 3}, None, {}, "no size named 'M'"),
        (TWO, {}, None, {}, r"how large is T\? give --dim T=….*'x' is \[N, T\]"),
        (LINEAR, {}, None, {"z": np.ones(1)}, "no input named 'z'; it has: x"),
        (LINEAR, {}, None, {"x": np.ones((2, 5), np.float32)}, r"'x' is \[N, 4\], and the array given is \[2, 5\]"),
        (LINEAR, {}, None, {"x": np.ones(4, np.float32)}, r"'x' is \[N, 4\], and the array given is \[4\]"),
        (LINEAR, {}, None, {"x": np.ones((2, 4))}, "'x' is of float32, and the array given of float64"),
        (LINEAR, {}, None, {"x": np.array([["a"] * 4])}, "'x' is of float32, and the array given of string"),
        (WORDS, {}, None, {"x": np.ones(2)}, "'x' is of string, .* of float64"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, dims: dict[str, int], batch: int | None, given: Given, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        feeding(graph(text), dims, batch, given, 0)


def test_texts_are_fed() -> None:
    words = graph(WORDS)
    assert next(feeding(words, {}, 4, {}, 0).values())["x"].dtype == object
    assert next(feeding(words, {}, None, {"x": np.array(["a", "b"])}, 0).values())["x"].shape == (2,)


def test_an_input_that_cannot_be_guessed_is_named() -> None:
    proto = model(LINEAR)
    odd = proto.graph.input.add(name="odd")
    odd.type.map_type.key_type = 7
    odd.type.map_type.value_type.tensor_type.elem_type = 1
    with pytest.raises(UsageError, match="input 'odd' is a map_type: give its value"):
        next(feeding(load(proto), {}, None, {}, 0).values())


def test_files_of_arrays(tmp_path: Path) -> None:
    good, single, objects, text = (tmp_path / name for name in ("good.npz", "single.npy", "objects.npz", "text.npz"))
    np.savez(good, x=np.ones(3), words=np.array(["a"]))
    assert {name: value.shape for name, value in read_arrays(good).items()} == {"x": (3,), "words": (1,)}
    np.save(single, np.ones(3))
    np.savez(objects, x=np.array([{}], dtype=object))
    text.write_text("x = 1")
    for path, message in (
        (single, "one array without a name"),
        (objects, "no .npz file of plain arrays"),
        (text, "no .npz file of plain arrays"),
        (tmp_path / "nowhere.npz", "no such file"),
    ):
        with pytest.raises(UsageError, match=message):
            read_arrays(path)
