"""Samples from a profile that is made up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from irstat.machine import this_machine, versions
from irstat.prediction.samples import Sample, kernels_of, samples_of
from irstat.prediction.workload import Workload
from irstat.timing.profile_result import Profile
from irstat.timing.profile_rows import ProfileRow
from irstat.timing.session import Setup
from tests.support.kernels import seen, with_weights

TEXT = """g (float[1,16,8,8] x) => (float[1,32,8,8] y) {
    [n1] a = Conv (x, w) [n2] b = Relu (a) [n3] c = Exp (b) [last] y = Neg (c) }"""
WEIGHTS = {"w": (32, 16, 1, 1)}


def _profile(times: dict[str, int], added: list[tuple[str, str, int]] | None = None) -> Profile:
    rows = [ProfileRow(name, "", "node", "measured", time) for name, time in times.items()]
    rows += [
        ProfileRow(f"extra {number}", f"com.microsoft.nchwc::{kind}", "added", "", time, needed_by=node)
        for number, (kind, node, time) in enumerate(added or [])
    ]
    return Profile("made up", Setup(), {}, 1, 0, rows, (), 0, 0, this_machine(), versions(), {})


def _times(profile: Profile, wanted: Callable[[str], bool] = bool) -> dict[str, int]:
    found = samples_of(seen(with_weights(TEXT, WEIGHTS)), profile, wanted)
    return {sample.work.family: sample.nanoseconds for sample in found}


def test_a_kernel_takes_the_time_of_its_nodes_together() -> None:
    found = _times(_profile({"n1": 700, "n2": 50, "n3": 30, "last": 20}))
    assert found == {"Conv 1x1": 750, "Exp": 30, "Neg": 20}


def test_only_wanted_names() -> None:
    assert _times(_profile({"n1": 700, "n2": 50, "n3": 30, "last": 20}), wanted=lambda name: name != "last") == {
        "Conv 1x1": 750,
        "Exp": 30,
    }


def test_names_that_do_not_match_are_left_out() -> None:
    assert _times(_profile({"n1": 700, "n3": 30, "somebody": 20})) == {"Exp": 30}  # of the convolution half is missing
    assert _times(_profile({})) == {}


def test_what_took_no_time_is_left_out() -> None:
    assert _times(_profile({"n1": 0, "n2": 0, "n3": 30, "last": 20})) == {"Exp": 30, "Neg": 20}


def test_reorders() -> None:
    """1024 elements in, needed by the convolution; 2048 out, needed by what reads them."""
    added = [("ReorderInput", "n1", 11), ("ReorderOutput", "n3", 22)]
    found = samples_of(seen(with_weights(TEXT, WEIGHTS)), _profile({"n3": 30}, added))
    work = {sample.work.family: (sample.work.amount, sample.nanoseconds) for sample in found}
    assert work == {"Exp": (2048, 30), "ReorderInput": (1024, 11), "ReorderOutput": (2048, 22)}


def test_reorders_that_may_be_one_or_the_other_are_left_out() -> None:
    added = [("ReorderInput", "n1", 11), ("ReorderInput", "n1", 12), ("ReorderOutput", "nobody", 22)]
    assert _times(_profile({"n3": 30}, added)) == {"Exp": 30}


def test_a_normalization_in_blocks_is_another_kind() -> None:
    norm = dict.fromkeys("stmv", (32,))
    text = """g (float[1,32,8,8] x) => (float[1,32,8,8] y, float[1,32,8,8] z) {
        [p] a = MaxPool <kernel_shape=[3,3], pads=[1,1,1,1]> (x)
        [n] y = BatchNormalization (a, s, t, m, v) [o] z = BatchNormalization (x, s, t, m, v) }"""
    point = seen(with_weights(text, norm))
    found = kernels_of(point.graph, point.priced.costs)
    works = {group.anchor.name: work.family for group, work in zip(found.groups, found.works, strict=True) if work}
    assert works == {"p": "MaxPool", "n": "BatchNormalization in blocks", "o": "BatchNormalization"}


def test_there_and_back() -> None:
    sample = Sample(Workload("Conv", 12.5, (1.0, 2.5)), 77)
    assert Sample.from_dict(sample.to_dict()) == sample


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 0},
        {"amount": -1},
        {"amount": float("nan")},
        {"amount": float("inf")},
        {"nanoseconds": 0},
        {"nanoseconds": -5},
        {"nanoseconds": 10**400},
        {"features": [float("nan")]},
        {"features": [1e300]},
    ],
)
def test_numbers_that_make_no_sense(change: dict[str, object]) -> None:
    stored = {"family": "Conv", "amount": 12.5, "features": [1.0], "nanoseconds": 77}
    Sample.from_dict(stored)
    with pytest.raises(ValueError, match="make no sense"):
        Sample.from_dict({**stored, **change})
