"""docs/ci.md: its blocks are run, and so are the steps of its workflow, with a `gh` that writes down what it is asked."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import pytest
import yaml

from irstat import examples
from irstat.cli import main
from irstat.gates.budget_file import read_budgets
from tests.support.networks import convnet
from tests.test_readme import PYTHON, blocks, printed

TEXT = (Path(__file__).parents[2] / "docs" / "ci.md").read_text(encoding="utf-8")
CONSOLE = r"<!-- run with status 1 -->\n```console\n\$ irstat (?P<command>[^\n]*)\n(?P<output>.*?)```"
GH = '#!/bin/sh\nprintf "%s\\n" "$@" > "$GH_CALL"\n'


def fenced(language: str) -> str:
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    return str(block)


def test_commands_print_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (found,) = blocks(CONSOLE, "", TEXT)
    assert main(shlex.split(found["command"])) == 1
    assert capsys.readouterr() == ("", found["output"])


def test_python_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("network.onnx", "base.onnx"):
        shutil.copy(examples.path_of("mobilenet_v2"), name)
    found = blocks(PYTHON, "run", TEXT)
    assert len(found) == 2
    for match in found:
        with printed() as out:
            exec(compile(match["code"], "ci.md", "exec"), {})
        assert out.getvalue() == match["output"]


def test_the_file_of_budgets_is_one(tmp_path: Path) -> None:
    (tmp_path / "budgets.toml").write_text(fenced("toml"), encoding="utf-8")
    found = {budget.name: budget.limit for budget in read_budgets(tmp_path / "budgets.toml", ("network",))}
    assert found == {"params": 25_000_000, "peak_activation_bytes": 16 * 1024 * 1024, "macs": 310_000_000}


class Checkout:
    """A pull request's checkout, with a base branch that has another version of the model."""

    def __init__(self, folder: Path, base: onnx.ModelProto, model: onnx.ModelProto, budgets: str) -> None:
        self.path, self.summary, self.gh_call = folder / "checkout", folder / "summary.md", folder / "gh.txt"
        self.status: dict[str, int] = {}
        self.stderr: dict[str, str] = {}
        origin = folder / "origin"
        (origin / "models").mkdir(parents=True)
        onnx.save(base, origin / "models" / "network.onnx")
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        for arguments in (("init", "-q", "-b", "main"), ("add", "."), (*who, "commit", "-q", "-m", "base")):
            subprocess.run(("git", *arguments), cwd=origin, check=True, capture_output=True)
        subprocess.run(("git", "clone", "-q", origin.as_uri(), self.path), check=True, capture_output=True)
        onnx.save(model, self.path / "models" / "network.onnx")
        (self.path / "budgets.toml").write_text(budgets, encoding="utf-8")
        programs = folder / "programs"
        programs.mkdir()
        for name, text in (("gh", GH), ("python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        self._path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"

    def run(self, workflow: Mapping[str, Any]) -> None:
        """The steps that are shell, but not the installing one, as Actions runs them."""
        (job,) = workflow["jobs"].values()
        failed = False
        for step in job["steps"]:
            name, condition = step.get("name", ""), str(step.get("if", ""))
            if "run" not in step or name == "Install" or (failed and "!cancelled()" not in condition):
                continue
            environment = {
                **os.environ,
                **workflow["env"],
                **{key: re.sub(r"\$\{\{.*?\}\}", "7", value) for key, value in step.get("env", {}).items()},
                "PATH": self._path,
                "GITHUB_BASE_REF": "main",
                "GITHUB_STEP_SUMMARY": str(self.summary),
                "GH_CALL": str(self.gh_call),
            }
            done = subprocess.run(
                ("bash", "-e", "-c", step["run"]), check=False, cwd=self.path, env=environment, capture_output=True, text=True
            )
            said = [line for line in done.stderr.splitlines(keepends=True) if not line.endswith("takes a while …\n")]
            self.status[name], self.stderr[name] = done.returncode, "".join(said)
            failed = failed or done.returncode != 0


def workflow() -> dict[str, Any]:
    found = yaml.safe_load(fenced("yaml"))
    assert isinstance(found, dict)
    return found


def test_the_workflow_is_one() -> None:
    found = workflow()
    assert found[True]["pull_request"]["paths"] == ["models/**", "budgets.toml"]  # YAML 1.1 reads `on` as true
    assert found["permissions"] == {"contents": "read", "pull-requests": "write"}
    steps = found["jobs"]["cost"]["steps"]
    assert [step.get("name", step.get("uses")) for step in steps] == [
        "actions/checkout@v4",
        "actions/setup-python@v5",
        "Install",
        "Budgets",
        "Compare with the base branch",
        "Summary",
        "Comment",
    ]
    assert all(("run" in step) != ("uses" in step) for step in steps)


def test_the_workflow_passes_a_model_that_did_not_change(tmp_path: Path) -> None:
    network = onnx.load(examples.path_of("mobilenet_v2"), load_external_data=False)
    checkout = Checkout(tmp_path, network, network, fenced("toml"))
    checkout.run(workflow())
    assert checkout.stderr == dict.fromkeys(("Budgets", "Compare with the base branch", "Summary", "Comment"), "")
    assert set(checkout.status.values()) == {0}
    summary = checkout.summary.read_text(encoding="utf-8")
    assert summary.startswith("#### All limits kept\n")
    assert "| `macs` | 300,774,272 (301 M) | 310,000,000 (310 M) | 97.0 % | kept |" in summary
    assert checkout.gh_call.read_text().splitlines() == [
        *("pr", "comment", "7", "--edit-last", "--create-if-none", "--body-file", "comment.md")
    ]
    assert (checkout.path / "comment.md").read_text(encoding="utf-8") == summary


def test_the_workflow_stops_a_dearer_model(tmp_path: Path) -> None:
    """The budget is exceeded, the comparison still runs and fails, summary and comment still come."""
    network = onnx.load(examples.path_of("mobilenet_v2"), load_external_data=False)
    checkout = Checkout(tmp_path, convnet(), network, fenced("toml").replace("310M", "300M"))
    checkout.run(workflow())
    assert checkout.status == {"Budgets": 1, "Compare with the base branch": 1, "Summary": 0, "Comment": 0}
    assert checkout.stderr["Budgets"].startswith(
        "irstat: budget macs exceeded: 300,774,272 (301 M) > 300,000,000 (300 M), by 774,272"
    )
    compared = checkout.stderr["Compare with the base branch"]
    assert compared.startswith("irstat: increase of macs exceeded: 6,952 → 300,774,272, ")
    assert "irstat:   features.18.0: 20,070,400, new\n" in compared
    summary = checkout.summary.read_text(encoding="utf-8")
    assert summary.startswith("#### 3 of 3 limits not kept\n")
    assert "#### 1 of 3 budgets not kept\n" in summary
    assert checkout.gh_call.exists()
