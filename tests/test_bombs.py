"""Small files that ask for a lot: analyzed or refused in bounded time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.hostile import LEGAL, REFUSED, content

MEMORY = 2 << 30
"""Bytes of address space that all of them together may take, one after the other in one process."""
SECONDS = 10
"""For one of them."""

PROGRAM = """
import contextlib, io, json, resource, sys, time
from pathlib import Path
memory, seconds, *paths = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
from irstat.cli import main
for path in paths:
    out, err = io.StringIO(), io.StringIO()
    used = int(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (used + int(seconds) + 1, -1))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["analyze", path, "--format", "json"])
    print(json.dumps([Path(path).stem, status, err.getvalue(), len(out.getvalue()), out.getvalue()[:4_000_000]]), flush=True)
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Name -> [status, stderr, length of stdout, stdout], from one process that may take little."""
    folder = tmp_path_factory.mktemp("bombs")
    names = [*LEGAL, *REFUSED]
    paths = []
    for number, name in enumerate(names):
        path = folder / f"{number}.onnx"
        path.write_bytes(content(LEGAL[name] if name in LEGAL else REFUSED[name][0]))
        paths.append(str(path))
    command = [sys.executable, "-c", PROGRAM, str(MEMORY), str(SECONDS), *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS * len(names))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    found = {names[int(number)]: rest for number, *rest in lines}
    if len(found) < len(names):
        found[names[len(found)]] = [None, f"stopped with status {done.returncode}: {done.stderr[-500:]}", 0, ""]
    return found


@pytest.mark.parametrize("name", LEGAL)
def test_what_is_valid_is_analyzed(name: str, outcomes: Mapping[str, Any]) -> None:
    status, err, length, _ = outcomes[name]
    assert status == 0, err
    assert "error" not in err
    assert length > 0


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_is_refused(name: str, outcomes: Mapping[str, Any]) -> None:
    status, err, length, _ = outcomes[name]
    assert (status, length) == (2, 0), err
    assert err.startswith("irstat: error: ")
    assert err.count("\n") == 1
    assert REFUSED[name][1] in err


NUMBERS = {
    "dims of 10^9": {"flops": 10**18},
    "matmul of 10^6": {"macs": 10**18, "flops": 2 * 10**18},
    "determinant of 10^9": {"macs": (10**9 - 1) * 10**9 * (2 * 10**9 - 1) // 6},  # 1² + 2² + … + (n-1)²
    "convolution of a huge image": {"macs": (10**9 + 2) ** 2},
    "loops in loops": {"flops": 2 * 10 ** (9 * 12)},
    "loops in functions": {"flops": 2 * 10 ** (9 * 32)},
    "scan of 10^9 rows": {"flops": (2 + 2) * 10**9},
    "counting loop": {"flops": (1 + 1 + 2) * (2**31 - 2)},
    "pad by 10^18": {"write_bytes": 4 * (10**18 + 1)},
    "functions in functions": {"flops": 2 * (2**10 + 2**10 - 1)},  # a Relu in each leaf, a Sum in each node above
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_exact_however_large(name: str, outcomes: Mapping[str, Any]) -> None:
    totals = json.loads(outcomes[name][3])["totals"]
    assert {key: totals[key] for key in NUMBERS[name]} == NUMBERS[name]


@pytest.mark.parametrize(("name", "operator"), [
    ("tile beyond 2^63", "Tile"),
    ("pad beyond 2^63", "Pad"),
    ("concat beyond 2^63", "Concat"),
    ("growing loop", "Loop"),
    ("loop of 10^18 turns", "Loop"),
    ("doubling", "Concat"),
])  # fmt: skip
def test_what_has_no_size_is_named(name: str, operator: str, outcomes: Mapping[str, Any]) -> None:
    report = json.loads(outcomes[name][3])
    assert report["lower_bound"]
    assert operator in report["unpriced"]


def test_the_limit_is_one(tmp_path: Path) -> None:
    """What takes more memory than allowed fails here."""
    program = PROGRAM.replace("from irstat.cli import main", "main = lambda arguments: len(bytearray(3 << 30))")
    command = [sys.executable, "-c", program, str(MEMORY), str(SECONDS), str(tmp_path / "any.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert "MemoryError" in done.stderr
