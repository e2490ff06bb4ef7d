"""Time and peak memory of `irstat.compare` on pairs of about 5,000 nodes.

    python benchmarks/compare_speed.py

Each pair has a process of its own. `align` is the time of the alignment alone, which is what grows with the pair; the rest is
reading both models, inferring shapes and counting. Beside it networkx' `vf2pp_is_isomorphic`, which says yes or no, not where.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import time
from typing import Any

sys.path.insert(0, str(__import__("pathlib").Path(__file__).resolve().parent.parent))

TIMEOUT = 60
"""Seconds that an edit distance gets."""


def mutated(model: Any, changes: int, seed: int = 0) -> Any:
    """A copy with some changes."""
    import irstat
    from tests.compare.mutate import MUTATIONS, InvalidError, Network

    chance, network, done = random.Random(seed), Network(model), 0
    while done < changes:
        copy = Network(network.model)
        try:
            MUTATIONS[chance.choice(["kernel", "groups", "activation", "dropped_activation", "dropped_skip"])](copy, chance)
            if done == changes - 1:
                irstat.analyze(copy.model)
        except (InvalidError, irstat.IrstatError):
            continue
        network, done = copy, done + 1
    return network.model


def pair(name: str) -> tuple[Any, Any]:
    """Two models."""
    from tests.compare import networks

    makers = {
        "chain of equal blocks": lambda: networks.chain(1660),
        "residual": lambda: networks.residual(265),
        "branches": lambda: networks.branches(188),
        "transformer": lambda: networks.transformer(145),
    }
    kind, _, what = name.partition(", ")
    model = makers[kind]()
    if what == "a block more":
        longer = {
            "chain of equal blocks": lambda: networks.chain(1661),
            "residual": lambda: networks.residual(266),
            "branches": lambda: networks.branches(189),
            "transformer": lambda: networks.transformer(146),
        }
        return model, longer[kind]()
    return model, model if what == "identical" else mutated(model, int(what.split()[0]))


def measure(name: str) -> dict[str, Any]:
    """Compare one pair in this process."""
    import irstat
    from irstat.compare.align import align

    a, b = pair(name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    result = irstat.compare(a, b)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    align(result.a.layers, result.b.layers)
    return {
        "nodes": len(a.graph.node),
        "layers": len(result.a.layers),
        "seconds": seconds,
        "align": time.perf_counter() - start,
        "more MB": (peak - before) / 1024,
        "peak MB": peak / 1024,
        "differing": sum(place.status != "same" for place in result.places),
    }


def isomorphism(layers: int) -> float:
    """Seconds that networkx takes to say that two equal chains of so many layers are isomorphic."""
    import networkx

    def graph() -> Any:
        found: Any = networkx.path_graph(layers, create_using=networkx.DiGraph)
        for index in found:
            found.nodes[index]["kind"] = index % 2
        return found

    start = time.perf_counter()
    assert networkx.vf2pp_is_isomorphic(graph(), graph(), node_label="kind")
    return time.perf_counter() - start


NAMES = [
    f"{kind}, {what}"
    for kind in ("chain of equal blocks", "residual", "branches", "transformer")
    for what in ("identical", "1 change", "20 changes", "a block more")
]


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--one"]:
        print(json.dumps(measure(arguments[1])))
        return
    print("| pair | nodes | layers | s | of it aligning | more MB | layers that differ |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for name in arguments or NAMES:
        done = subprocess.run([sys.executable, __file__, "--one", name], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(f"| {name} | failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]} |", flush=True)
            continue
        row = json.loads(done.stdout.strip().splitlines()[-1])
        cells = [name, f"{row['nodes']:,}", f"{row['layers']:,}", f"{row['seconds']:.2f}", f"{row['align']:.2f}"]
        cells += [f"{row['more MB']:.0f}", str(row["differing"])]
        print(f"| {' | '.join(cells)} |", flush=True)
    print("\n| networkx | layers | s |\n| --- | ---: | ---: |")
    for layers in (100, 300, 1000):
        print(f"| vf2pp_is_isomorphic, equal chains | {layers} | {isomorphism(layers):.2f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
