"""KITO's table for today: folding models of Keras and torchvision, what it leaves, what it costs and what it brings.

    python -m venv PEERS && PEERS/bin/pip install -r benchmarks/requirements.txt
    python benchmarks/kito_table.py FOLDER --peers PEERS/bin/python [-o docs/kito_table.md] [NAME …]

FOLDER keeps the models (`benchmarks/kito_models.py` makes them), the folded ones, and the measurements of each model as JSON,
which `--reuse` takes instead of measuring again. Prints Markdown. Linux; about half an hour on two cores with all models.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kito_latency import LEVELS, measured
from kito_measure import command, in_own_process, peer_files
from kito_models import NAMES, file_of
from kito_rows import Row, page


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; exit status 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models; all by default")
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter that has onnxsim and onnxslim; left out without it")
    parser.add_argument("--pairs", type=int, default=31, help="rounds of latency; fewer for models that take long")
    parser.add_argument("--samples", type=int, default=16, help="inputs that outputs are compared on")
    parser.add_argument("--reuse", action="store_true", help="take measurements that are in the folder")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.md")
    options = parser.parse_intermixed_args(arguments)
    rows = []
    for name in options.names or NAMES:
        rows.append(Row(name, found(name, options)))
        print(f"{name}: measured", file=sys.stderr, flush=True)
    text = page(rows, options.samples)
    print(text)
    if options.output is not None:
        options.output.write_text(f"{text}\n", encoding="utf-8")
    return 0 if all(row.misses == [] for row in rows) else 1


def found(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The measurements of one model."""
    kept = options.folder / "measured" / f"{name}.json"
    if options.reuse and kept.exists():
        return dict(json.loads(kept.read_text()))
    source = file_of(options.folder, name)
    folded = options.folder / "folded"
    folded.mkdir(exist_ok=True)
    result = in_own_process(name, source, folded, options.samples)
    result["command"] = command(name, source, folded)
    result["bytes"] = source.stat().st_size
    peers = peer_files(name, source, folded, options.peers) if options.peers else {}
    result["peers"] = {peer: "" if isinstance(file, Path) else file for peer, file in peers.items()}
    ours = folded / f"{name}.irstat.onnx"
    beside = [file for file in peers.values() if isinstance(file, Path)]
    result["latency"] = {
        level: asdict(measured([source, ours, *(beside if level == "disable" else [])], level, options.pairs))
        for level in LEVELS
    }
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(result))
    return result


if __name__ == "__main__":
    sys.exit(main())
