"""What `irstat machine` measures is kept: where, how, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from irstat.cli import main
from irstat.errors import UsageError
from irstat.machine import this_machine, versions
from irstat.prediction import calibration as module
from irstat.prediction.calibration import Calibration, calibrate, check_folder, keep, kept
from irstat.prediction.cases import Case
from irstat.prediction.networks import network
from irstat.timing.ceilings import cache_file, cache_folder
from irstat.timing.profile import profile
from tests.support.measured import calibration

RATES = {"Conv": (0.5, 8), "Relu": (1.0, 2), "view": (300.0, 0)}


def test_there_and_back() -> None:
    found = calibration(RATES, load_average=None)
    assert Calibration.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_it_is_kept_in_the_users_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    found = calibration(RATES)
    path = keep(found)
    assert path.parent == tmp_path / "caches" / "irstat"
    assert kept() == found
    again = replace(found, seconds=1.0)
    assert keep(again) == path
    assert kept() == again
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_appears_when_it_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    first = calibration(RATES)
    path = keep(first)

    def broken(found: Calibration) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(Calibration, "to_dict", broken)
    with pytest.raises(KeyboardInterrupt):
        keep(replace(first, seconds=1.0))
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert kept() == first


def _refused(**changes: object) -> str:
    """The message for a file with other content."""
    path = keep(calibration(RATES))
    path.write_text(json.dumps({**calibration(RATES).to_dict(), **changes}))
    return _message()


def _message() -> str:
    with pytest.raises(UsageError) as caught:
        kept()
    text = str(caught.value)
    assert text.endswith("run irstat machine, once, while nothing else runs")
    assert "\n" not in text
    return text


def _samples(**change: object) -> list[dict[str, object]]:
    good = {"family": "Relu", "amount": 10.0, "features": [1.0, 0.0], "nanoseconds": 70}
    return [good, {**good, **change}]


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"schema": None},
        {"provider": "openvino"},
        {"threads": 2},
        {"threads": "many"},
        {"threads": None},
        {"optimization": "everything"},
        {"optimization": ["all"]},
        {"measured": "yesterday"},
        {"measured": 7},
        {"seconds": "x"},
        {"load_average": []},
        {"block": None},
        {"machine": {}},
        {"machine": 3},
        {"machine": {"cpu": "x", "what": "else"}},
        {"machine": {**this_machine().to_dict(), "system": 7}},
        {"versions": []},
        {"ceilings": {}},
        {"ceilings": None},
        {"samples": 5},
        {"samples": [{}]},
        {"samples": _samples(features=[1.0])},
        {"samples": _samples(features=None)},
        {"samples": _samples(amount=0)},
        {"samples": _samples(nanoseconds=float("inf"))},
        {"samples": _samples(family=None, features=["x"])},
    ],
)
def test_a_file_with_other_content(changes: dict[str, object]) -> None:
    assert "not what this version of irstat machine keeps" in _refused(**changes)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1, 2]",
        b'"text"',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 10_000,
        b" " * ((16 << 20) + 1),
    ],
)
def test_a_file_that_is_none(content: bytes) -> None:
    keep(calibration(RATES)).write_bytes(content)
    assert "not what this version of irstat machine keeps" in _message()


def test_another_machine() -> None:
    other = replace(this_machine(), cpu="A 100")
    assert "measured on another machine, A 100" in _refused(machine=other.to_dict())
    half = {**this_machine().to_dict(), "cpu": "A 100"}
    assert "not what this version of irstat machine keeps" in _refused(machine=half)


def test_another_onnxruntime() -> None:
    text = _refused(versions={**versions(), "onnxruntime": "0.1"})
    assert f"measured with onnxruntime 0.1, and {versions()['onnxruntime']} is installed" in text


def test_a_folder_in_its_place() -> None:
    cache_file("cpu", 1).mkdir(parents=True)
    assert "was not measured on this machine" in _message()


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(UsageError, match="was not measured"):
        kept("x" * 5000)


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UsageError, match="can't be kept there"):
        check_folder()
    with pytest.raises(UsageError, match="can't be written"):
        keep(calibration(RATES))


# ---- the command


def test_the_command_shows_what_was_kept(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    keep(calibration(RATES))
    monkeypatch.setattr("irstat.prediction.calibration.calibrate", None)  # not measured again
    assert main(["machine"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for text in (
        "matrix products           100 G FLOP/s",
        "depthwise convolutions   10.0 G FLOP/s",
        "one more kernel                1.00 µs",
        "calling a model                5.00 µs",
        "measured 2026-01-02T03:04:05+00:00 in 30 s, load 0.25",
        "6 kernels of 3 kinds for irstat analyze --predict",
    ):
        assert text in out
    assert main(["machine", "--format", "markdown"]) == 0
    assert "| one more kernel | 1.00 µs |" in capsys.readouterr().out
    assert main(["machine", "--format", "json"]) == 0
    assert Calibration.from_dict(json.loads(capsys.readouterr().out)) == calibration(RATES)


def test_the_command_writes_into_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(calibration(RATES))
    assert main(["machine", "-o", str(tmp_path / "machine.txt")]) == 0
    assert "matrix products" in (tmp_path / "machine.txt").read_text()
    assert main(["machine", "-o", str(tmp_path / "nowhere" / "machine.txt")]) == 2
    assert capsys.readouterr().err.startswith("irstat: error: ")


@pytest.mark.parametrize("arguments", [[], ["--again"]])
def test_a_broken_file_is_measured_anew(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = keep(calibration(RATES))
    if not arguments:
        path.write_text("{")
    monkeypatch.setattr("irstat.prediction.calibration.calibrate", lambda *_: calibration({"Relu": (2.0, 2)}))
    assert main(["machine", *arguments]) == 0
    assert capsys.readouterr().err == f"irstat: kept in {path}\n"
    assert kept() == calibration({"Relu": (2.0, 2)})


def test_a_folder_that_cannot_be_written_is_said_before_measuring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("irstat.prediction.calibration.calibrate", None)
    assert main(["machine"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("irstat: error: ")
    assert "can't be kept there" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--provider", "nobody"], "nobody"),
        (["--provider", "../../x"], "../../x"),
        (["--provider", "x" * 5000], "xxx"),
        (["--threads", "0"], "0 threads can't run anything"),
    ],
)
def test_bad_options(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["machine", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("irstat: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert not cache_folder().exists() or list(cache_folder().iterdir()) == []


def test_ctrl_c_while_measuring_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(module, "measure_ceilings", lambda *_: calibration(RATES).ceilings)

    def interrupted() -> Iterator[Case]:
        yield Case("Relu", [(4, 4)])
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "cases", interrupted)
    assert main(["machine"]) == 130
    assert list(folder.iterdir()) == []
    assert list(cache_folder().iterdir()) == []


def test_the_faster_of_two_passes_counts() -> None:
    model = network([Case("Relu", [(4, 400)])])
    one = profile(model, runs=1)
    longer = [5 if turn % 2 else -5 for turn in range(len(one.rows))]
    rows = [replace(row, nanoseconds=row.nanoseconds + more) for row, more in zip(one.rows, longer, strict=True)]
    both = module._fastest([one, replace(one, rows=rows)])
    assert [row.name for row in both.rows] == [row.name for row in one.rows]
    assert [row.nanoseconds for row in one.rows] == [
        row.nanoseconds + (0 if turn % 2 else 5) for turn, row in enumerate(both.rows)
    ]


def test_calibrating_takes_off_what_profiling_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Structure only: kernels of the cases, none faster than an empty kernel; a block; the setup."""
    ceilings = calibration(RATES).ceilings
    monkeypatch.setattr(module, "measure_ceilings", lambda *_: ceilings)
    monkeypatch.setattr(
        module, "cases", lambda: iter([Case("Relu", [(4, 400)]), Case("Conv", [(1, 16, 8, 8)], [(16, 16, 3, 3)])])
    )
    steps: list[str] = []
    found = calibrate(step=steps.append)
    families = {sample.work.family for sample in found.samples}
    assert {"Relu", "Conv" if found.block > 1 else "Conv in planes"} <= families
    assert families <= {"Relu", "Conv", "Conv in planes", "ReorderInput", "ReorderOutput"}
    assert all(
        sample.nanoseconds >= ceilings.kernel_nanoseconds or sample.work.family.startswith("Reorder")
        for sample in found.samples
    )
    assert found.block in (1, 8, 16)
    assert (found.setup.provider, found.setup.optimization, found.setup.threads) == ("cpu", "all", 1)
    assert steps[0] == "measuring ceilings"
    assert steps[-2:] == [f"measuring kernels, pass {turn} of 2, network 1" for turn in (1, 2)]
    assert Calibration.from_dict(json.loads(json.dumps(found.to_dict()))).samples == tuple(found.samples)
