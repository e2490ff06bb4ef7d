"""The graph with its costs as GraphML, for yEd, Gephi and every other graph tool."""

from __future__ import annotations

import io

from irstat.report.as_csv import shape_text
from irstat.report.report import COLUMNS, Report


def as_graphml(report: Report) -> str:
    """Op nodes and tensor nodes as in `Graph.nx`; attributes are plain numbers and text. Needs networkx."""
    import networkx

    plain: networkx.DiGraph[str] = networkx.DiGraph(name=report.model.name)
    for row in report.rows:
        counts = {column: getattr(row, column) for column in COLUMNS}
        plain.add_node(
            f"op:{row.name}",
            label=row.name,
            kind="op",
            op_type=row.qualified_type,
            layer=row.layer,
            layer_type=row.layer_type,
            basis=row.basis,
            **{name: count if isinstance(count, int) else str(count) for name, count in counts.items()},
        )
    for (kind, name), values in report.graph.nx.nodes.items():
        if kind == "tensor":
            tensor = values["tensor"]
            shape = shape_text(report.value(name))
            plain.add_node(f"tensor:{name}", label=name, kind=tensor.kind, dtype=tensor.dtype or "", shape=shape)
    for (kind_a, a), (kind_b, b), values in report.graph.nx.edges.data():
        slots = ",".join(map(str, values["slots"]))
        plain.add_edge(f"{kind_a}:{a}", f"{kind_b}:{b}", slots=slots)
    out = io.BytesIO()
    networkx.write_graphml(plain, out, infer_numeric_types=True)
    return _without_control_characters(out.getvalue().decode("utf-8"))


def _without_control_characters(text: str) -> str:
    return "".join(character for character in text if character in "\t\n\r" or character >= " ")
