"""Instantiates ONNX functions: the nodes a call stands for, with names and attributes put in.

Used for model-local functions, which are inlined before analysis, and for operators whose ONNX schema defines them by a
function. Source: ONNX IR specification, "Functions".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from onnx import AttributeProto, FunctionProto, GraphProto, NodeProto


def instantiate(
    function: FunctionProto, attributes: Iterable[AttributeProto], inputs: Iterable[str], outputs: Iterable[str], prefix: str
) -> list[NodeProto]:
    """Nodes of one call.

    Args:
        function: the function.
        attributes: those of the call; defaults of the function fill in for the rest.
        inputs: the call's inputs, "" for one left out; so are inputs that the call doesn't have.
        outputs: the call's outputs; results that the call doesn't take keep a name of their own.
        prefix: put before every name that the function defines itself.
    """
    given: dict[str, AttributeProto] = {attribute.name: attribute for attribute in function.attribute_proto}
    given.update({attribute.name: attribute for attribute in attributes})
    inputs, outputs = list(inputs), list(outputs)
    names = {"": ""}
    names.update((name, inputs[slot] if slot < len(inputs) else "") for slot, name in enumerate(function.input))
    aliases = []
    for result, name in zip(function.output, outputs, strict=False):
        if name and result not in names:
            names[result] = name
        elif name and result:
            # the function returns an input, or one result twice: only a node can give the value a second name
            alias = NodeProto(op_type="Identity", name=f"{prefix}{result}")
            alias.input.append(names[result])
            alias.output.append(name)
            aliases.append(alias)
    nodes = []
    for node in function.node:
        copy = NodeProto()
        copy.CopyFrom(node)
        _bind(copy, given, names, prefix)
        nodes.append(copy)
    return nodes + aliases


def _bind(node: NodeProto, given: Mapping[str, AttributeProto], names: Mapping[str, str], prefix: str) -> None:
    def renamed(name: str) -> str:
        return names.get(name, prefix + name)

    node.input[:] = [renamed(name) for name in node.input]
    node.output[:] = [renamed(name) for name in node.output]
    node.name = prefix + (node.name or node.op_type)
    kept = []
    for attribute in node.attribute:
        if attribute.ref_attr_name:
            value = given.get(attribute.ref_attr_name)
            if value is None:
                continue
            bound = AttributeProto()
            bound.CopyFrom(value)
            bound.name = attribute.name
            kept.append(bound)
            continue
        for graph in (attribute.g, *attribute.graphs) if attribute.HasField("g") or attribute.graphs else ():
            _bind_graph(graph, given, names, prefix)
        kept.append(attribute)
    if len(kept) < len(node.attribute) or any(attribute.ref_attr_name for attribute in node.attribute):
        copies = [AttributeProto.FromString(attribute.SerializeToString()) for attribute in kept]
        del node.attribute[:]
        node.attribute.extend(copies)


def _bind_graph(graph: GraphProto, given: Mapping[str, AttributeProto], names: Mapping[str, str], prefix: str) -> None:
    def renamed(name: str) -> str:
        return names.get(name, prefix + name)

    for info in (*graph.input, *graph.output, *graph.value_info):
        info.name = renamed(info.name)
    for tensor in graph.initializer:
        tensor.name = renamed(tensor.name)
    for sparse in graph.sparse_initializer:
        sparse.values.name = renamed(sparse.values.name)
    for node in graph.node:
        _bind(node, given, names, prefix)
