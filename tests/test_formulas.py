"""Formulas in free sizes: found exactly, confirmed elsewhere, or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from onnx import ModelProto

import irstat
from irstat.errors import ShapeError
from irstat.formulas import Formulas, find_formulas
from irstat.polynomial import Count, NotPolynomial
from tests.support.models import model

KEY = ("node", "macs")
Sizes = Mapping[str, int]


def found(function: Callable[[Sizes], int | None], *names: str, fits: Callable[[Sizes], bool] = lambda sizes: True) -> Formulas:
    """Formulas of one count; sizes that don't fit give a problem."""
    return find_formulas(names, lambda sizes: ({KEY: function(sizes)}, 0 if fits(sizes) else 1))


def formula(function: Callable[[Sizes], int | None], *names: str) -> Count:
    return found(function, *names).counts[KEY]


def reason(count: Count) -> str:
    assert isinstance(count, NotPolynomial), count
    return count.reason


def test_polynomials_are_found() -> None:
    assert str(formula(lambda s: 3 * s["N"] * s["T"] ** 2 + 2 * s["N"] + 1, "N", "T")) == "3*N*T**2 + 2*N + 1"
    assert str(formula(lambda s: s["a"] * (s["a"] + 1) // 2, "a")) == "(a**2 + a)//2"
    assert formula(lambda s: 12, "N", "T") == 12
    assert str(formula(lambda s: s["a"] * s["b"] * s["c"] * s["d"], "a", "b", "c", "d")) == "a*b*c*d"
    assert str(formula(lambda s: s["N"] ** 3, "N")) == "N**3"


@pytest.mark.parametrize(("function", "names", "problem"), [
    (lambda s: (s["H"] + 1) // 2, "H", "no polynomial in H"),  # a stride of 2
    (lambda s: s["N"] * ((s["H"] - 3) // 2 + 1) * s["W"], "NHW", "no polynomial in H"),
    (lambda s: s["H"] // 32 * 32, "H", "no polynomial in H"),
    (lambda s: s["N"] ** 4, "N", "no polynomial in N"),
    (lambda s: 2 ** s["N"], "N", "no polynomial in N"),
    (lambda s: max(s["N"], 9), "N", "no polynomial in N"),
    (lambda s: None, "N", "not defined for every N"),
    (lambda s: s["N"] if s["N"] % 2 else None, "N", "not defined for every N"),
])  # fmt: skip
def test_what_is_no_polynomial_is_refused(function: Callable[[Sizes], int | None], names: str, problem: str) -> None:
    assert reason(formula(function, *names)) == f"{problem}; bind the size to get a number"


@pytest.mark.parametrize("beyond", [13, 19, 30, 113, 1795])
def test_equal_on_the_grid_but_not_beyond_is_refused(beyond: int) -> None:
    """The grid starts at 7; points that must agree lie at 18, 19, 30, 113 and 1795."""
    assert formula(lambda s: s["N"] * 5 if s["N"] < beyond else s["N"] * 5 + 1, "N") == NotPolynomial(
        "no polynomial in N; bind the size to get a number"
    )


def test_equal_along_the_sizes_but_not_between_them_is_refused() -> None:
    def only_on_the_axes(sizes: Sizes) -> int:
        return sizes["N"] + sizes["T"] + (sizes["N"] > 7 and sizes["T"] > 13)

    assert reason(formula(only_on_the_axes, "N", "T")).startswith("no polynomial in N, T")


def test_far_points_that_do_not_exist_are_not_asked() -> None:
    def up_to_a_thousand(sizes: Sizes) -> int:
        if sizes["N"] > 100:
            raise ShapeError("too large")
        return 4 * sizes["N"]

    assert str(formula(up_to_a_thousand, "N")) == "4*N"


def test_points_near_by_have_to_exist() -> None:
    def up_to_eleven(sizes: Sizes) -> int:
        if sizes["N"] > 11:
            raise ShapeError("too large")
        return 4 * sizes["N"]

    assert reason(formula(up_to_eleven, "N")).startswith("not defined for every N")


def test_each_count_has_a_formula_of_its_own() -> None:
    def evaluate(sizes: Sizes) -> tuple[dict[tuple[str, str], int | None], int]:
        n, h = sizes["N"], sizes["H"]
        return {("a", "macs"): 2 * n, ("b", "macs"): n * (h // 2), ("c", "macs"): 5, ("d", "macs"): n * h}, 0

    counts = find_formulas(("N", "H"), evaluate).counts
    assert {key[0]: str(value) for key, value in counts.items()} == {"a": "2*N", "b": "?", "c": "5", "d": "N*H"}


def test_sizes_that_must_be_equal_are_tied() -> None:
    result = found(lambda s: s["a"] * s["c"], "a", "b", "c", fits=lambda s: s["a"] == s["b"])
    assert result.tied == {"b": "a"}
    assert str(result.counts[KEY]) == "a*c"
    assert result.anchor["a"] == result.anchor["b"] != result.anchor["c"]
    pairs = found(lambda s: s["a"] + s["b"], "a", "b", "c", "d", fits=lambda s: s["a"] == s["d"] and s["b"] == s["c"])
    assert pairs.tied == {"c": "b", "d": "a"}
    assert str(pairs.counts[KEY]) == "a + b"


def test_sizes_that_need_not_be_equal_are_not_tied() -> None:
    assert found(lambda s: s["a"] * s["b"], "a", "b").tied == {}


def test_no_sizes_that_fit() -> None:
    def never(sizes: Sizes) -> tuple[dict[tuple[str, str], int | None], int]:
        raise ShapeError("it never fits")

    with pytest.raises(ShapeError, match="does not fit together for any sizes tried for N, T; give them with --dim"):
        find_formulas(("N", "T"), never)


def test_too_many_sizes_are_refused_not_sampled() -> None:
    names = [f"s{number}" for number in range(9)]

    def product(sizes: Sizes) -> int:
        result = 1
        for name in names:
            result *= sizes[name]
        return result

    calls = 0

    def evaluate(sizes: Sizes) -> tuple[dict[tuple[str, str], int | None], int]:
        nonlocal calls
        calls += 1
        return {KEY: product(sizes), ("node", "params"): 7}, 0

    counts = find_formulas(names, evaluate).counts
    assert reason(counts[KEY]) == "9 free sizes are too many for a formula; bind some"
    assert calls < 100


# ---- models


STRIDED = "g (float[N,3,H,W] x, float[4,3,3,3] w) => (y) { y = Conv<strides=[2,2]>(x, w) }"


def test_a_strided_convolution_has_no_formula_in_its_image() -> None:
    free = irstat.analyze(model(STRIDED))
    assert reason(free.totals["macs"]) == "no polynomial in H; bind the size to get a number"
    bound = irstat.analyze(model(STRIDED), dims={"H": 9, "W": 12})
    assert str(bound.totals["macs"]) == f"{4 * 4 * 5 * 4 * 27 // 4}*N"  # 4 rows, 5 columns, 4 channels of 27 taps
    assert irstat.analyze(model(STRIDED), dims={"H": 9, "W": 12, "N": 3}).totals["macs"] == 3 * 4 * 5 * 4 * 27


def test_a_convolution_without_stride_has_one() -> None:
    report = irstat.analyze(model(STRIDED.replace("[2,2]", "[1,1]")))
    # 108 N (H - 2)(W - 2)
    assert str(report.totals["macs"]) == "108*N*H*W - 216*N*H - 216*N*W + 432*N"
    assert report.rows[0].outputs[0].shape == ("N", 4, "H - 2", "W - 2")


def test_tied_sizes_of_a_model_are_told() -> None:
    report = irstat.analyze(model("g (float[a,4] x, float[b,4] z, float[c,2] v) => (y, u) { y = Sub(x, z)  u = Neg(v) }"))
    assert "size 'b' must equal 'a' for the model to fit together" in report.warnings
    assert str(report.totals["flops"]) == "4*a + 2*c"


def test_the_formula_gives_what_binding_gives() -> None:
    text = """g (float[N,T,8] x, float[8,8] w) => (y) {
        q = MatMul(x, w)  k = Transpose<perm=[0,2,1]>(x)  s = MatMul(q, k)  p = Softmax(s)  y = MatMul(p, x) }"""
    free = irstat.analyze(model(text))
    for n, t in ((1, 1), (3, 50), (64, 2048)):
        bound = irstat.analyze(model(text), dims={"N": n, "T": t})
        for name, count in free.totals.items():
            assert not isinstance(count, NotPolynomial), name
            assert (count if isinstance(count, int) else count({"N": n, "T": t})) == bound.totals[name], name


def sliced(end: int) -> ModelProto:
    return model(
        f"""g (float[N,8] x, float[8,2] w) => (float[M,2] y)
        {{ a = Constant<value = int64[1] {{0}}>() b = Constant<value = int64[1] {{{end}}}>()
           c = Slice(x, a, b) y = MatMul(c, w) }}"""
    )


@pytest.mark.parametrize("end", [12, 4_096, 100_000])
def test_a_limit_in_the_model_far_beyond_the_samples_is_noticed(end: int) -> None:
    assert isinstance(irstat.analyze(sliced(end)).totals["macs"], NotPolynomial)
    assert irstat.analyze(sliced(end), dims={"N": 200_000}).totals["macs"] == 16 * end


def test_a_slice_to_the_end_is_no_limit() -> None:
    assert str(irstat.analyze(sliced(2**62)).totals["macs"]) == "16*N"
