"""The machine in a result."""

from __future__ import annotations

from dataclasses import replace

import pytest

from irstat import machine
from irstat.machine import Machine, this_machine, versions

ONE = Machine("A 100", "x86_64", 8, 4, 8, 16 << 30, "Linux 6.1")


def test_the_fingerprint_is_stable() -> None:
    assert ONE.fingerprint == Machine("A 100", "x86_64", 8, 4, 8, (16 << 30) + 4096, "Linux 6.9").fingerprint
    assert len(ONE.fingerprint) == 16
    assert Machine.from_dict(ONE.to_dict()) == ONE


@pytest.mark.parametrize(
    "change",
    [{"cpu": "B"}, {"architecture": "arm64"}, {"usable_cores": 1}, {"physical_cores": 8}, {"memory_bytes": 1 << 30},
     {"memory_bytes": None}, {"system": "Darwin 6.1"}],
)  # fmt: skip
def test_another_machine_has_another(change: dict[str, object]) -> None:
    assert replace(ONE, **change).fingerprint != ONE.fingerprint  # type: ignore[arg-type]


def test_this_one() -> None:
    found = this_machine()
    assert found.cpu
    assert 1 <= found.usable_cores <= found.logical_cores
    assert {"python", "onnx", "onnxruntime", "numpy"} <= versions().keys()


def test_how_linux_describes_processors() -> None:
    described = "\n\n".join(
        f"processor\t: {number}\nmodel name\t: Some CPU @ 2 GHz\nphysical id\t: 0\ncore id\t\t: {number // 2}"
        for number in range(4)
    )
    assert machine._cpu_name(described) == "Some CPU @ 2 GHz"
    assert machine._physical_cores(described) == 2
    assert machine._physical_cores("") is None
