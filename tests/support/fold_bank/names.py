"""Names that new values could collide with, outputs of the graph, and who else reads a value (point 2)."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper

from tests.support.fold_bank.case import Away, Constant, Norm, folds, keeps

IMAGE = "float[N,3,6,6] x => y { "
CONV: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4)}
SUFFIXES = ("folded", "weight", "bias", "w", "b", "1", "0", "new", "fused", "bn", "scale", "conv")


def renamed(**names: str) -> object:
    """Give tensors other names, everywhere in the graph."""

    def change(proto: ModelProto) -> None:
        graph = proto.graph
        for info in (*graph.initializer, *graph.input, *graph.output):
            info.name = names.get(info.name, info.name)
        for node in graph.node:
            for values in (node.input, node.output):
                values[:] = [names.get(value, value) for value in values]

    return change


def occupied(*stems: str) -> object:
    """Take every name a tool could think of for a folded weight, by initializers that are read."""

    def change(proto: ModelProto) -> None:
        graph = proto.graph
        taken = [f"{stem}_{suffix}" for stem in stems for suffix in SUFFIXES]
        for number, name in enumerate(taken):
            graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, [1], [0.25 * number]))
        graph.node.append(helper.make_node("Concat", taken, ["taken"], axis=0))
        graph.output.append(helper.make_tensor_value_info("taken", TensorProto.FLOAT, [len(taken)]))

    return change


def named_nodes(*names: str) -> object:
    """Give names to nodes, in turn."""

    def change(proto: ModelProto) -> None:
        for number, node in enumerate(proto.graph.node):
            node.name = names[number % len(names)]

    return change


def with_value_infos(proto: ModelProto) -> None:
    """State the types of values in between, and some metadata."""
    proto.graph.value_info.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, ["N", 4, 4, 4]))
    proto.metadata_props.add(key="author", value="somebody")
    proto.graph.doc_string = "a graph"


NUMBERS = {"x": "0", "w": "1", "n_scale": "2", "n_bias": "3", "n_mean": "4", "n_var": "5", "c": "6", "y": "7"}
NAMES = (
    folds("names_numeric", "trap 3.3", IMAGE + "c = Conv(x, w)  y = norm(c, n) }", **CONV, change=renamed(**NUMBERS)),
    folds(
        "names_numeric_two_convs",
        "trap 3.3",
        IMAGE + "c = Conv(x, w)  d = norm(c, n)  r = Relu(d)  e = Conv(r, v)  y = norm(e, m) }",
        **CONV,
        v=(2, 4, 1, 1),
        m=Norm(2),
        change=renamed(**NUMBERS, d="8", r="9", e="10", v="11"),
    ),
    folds(
        "names_taken",
        "trap 3.3",
        IMAGE + "c = Conv(x, w, b)  y = norm(c, n) }",
        **CONV,
        b=(4,),
        change=occupied("w", "b", "c", "y"),
    ),
    folds(
        "names_taken_without_bias",
        "trap 3.3",
        IMAGE + "c = Conv(x, w)  y = norm(c, n) }",
        **CONV,
        change=occupied("w", "c", "y", "norm"),
    ),
    folds(
        "names_taken_forward",
        "trap 3.3",
        IMAGE + "d = norm(x, n)  y = Conv(d, w) }",
        w=(4, 3, 3, 3),
        n=Norm(3),
        change=occupied("w", "d", "y"),
    ),
    folds(
        "names_taken_numbered",
        "trap 3.3",
        IMAGE + "c = Conv(x, w)  y = norm(c, n) }",
        **CONV,
        change=occupied("w_folded", "w_bias", "c_bias", "y_bias", "w_1"),
    ),
    folds(
        "names_odd",
        "trap 3.3",
        IMAGE + "c = Conv(x, w)  y = norm(c, n) }",
        **CONV,
        change=renamed(c="block/conv:0", y="out put", w="läyer.weight", n_scale="/a//b"),
    ),
    folds(
        "nodes_of_one_name",
        "trap 3.3",
        IMAGE + "c = Conv(x, w)  d = norm(c, n)  r = Relu(d)  e = Conv(r, v)  y = norm(e, m) }",
        **CONV,
        v=(2, 4, 1, 1),
        m=Norm(2),
        change=named_nodes("same"),
        judges=("reference",),
        note="onnxruntime wants names of nodes to be unique",
    ),
    folds(
        "weight_named_like_node",
        "trap 3.3",
        IMAGE + "c = Conv(x, w)  y = norm(c, n) }",
        **CONV,
        change=named_nodes("w", "n_scale"),
    ),
    folds("types_stated_between", "point 2", IMAGE + "c = Conv(x, w)  y = norm(c, n) }", **CONV, change=with_value_infos),
    folds(
        "body_names_repeat_outer",
        "trap 3.3",
        "bool go, float[2,3,6,6] x => float[2,4,4,4] y, float[2,4,4,4] z"
        " { y = If(go) <then_branch = t () => (a) { c1 = Conv(x, w)  a = norm(c1, n) }, else_branch = e () => (b)"
        " { c2 = Conv(x, w)  b = norm(c2, m) }>  c = Conv(x, w)  z = norm(c, k) }",
        **CONV,
        m=Norm(4),
        k=Norm(4),
    ),
)

OUTPUTS = (
    folds(
        "norm_is_output_and_used", "point 2", "float[N,3,6,6] x => y, z { c = Conv(x, w)  y = norm(c, n)  z = Relu(y) }", **CONV
    ),
    folds(
        "norm_read_by_two",
        "point 2",
        "float[N,3,6,6] x => y, z { c = Conv(x, w)  d = norm(c, n)  y = Relu(d)  z = Tanh(d) }",
        **CONV,
    ),
    folds(
        "two_outputs_two_norms",
        "point 2",
        "float[N,3,6,6] x => y, z { c = Conv(x, w)  y = norm(c, n)  d = Conv(x, v)  z = norm(d, m) }",
        **CONV,
        v=(2, 3, 1, 1),
        m=Norm(2),
    ),
    folds(
        "norm_twice_an_output",
        "point 2",
        "float[N,3,6,6] x => y, z { c = Conv(x, w)  y = norm(c, n)  z = Identity(y) }",
        **CONV,
    ),
    folds("unused_input", "point 2", "float[N,3,6,6] x, float[N,2] unused => y { c = Conv(x, w)  y = norm(c, n) }", **CONV),
    folds("input_is_output", "point 2", "float[N,3,6,6] x => y, z { c = Conv(x, w)  y = norm(c, n)  z = Identity(x) }", **CONV),
    folds(
        "conv_read_by_dead_node",
        "point 2",
        IMAGE + "c = Conv(x, w)  dead = Relu(c)  y = norm(c, n) }",
        **CONV,
        note="nobody reads what the other consumer makes",
    ),
    folds("norms_output_through_identity", "point 2", IMAGE + "c = Conv(x, w)  d = norm(c, n)  y = Identity(d) }", **CONV),
    keeps("conv_is_output", "refusal", "float[N,3,6,6] x => y, c { c = Conv(x, w)  y = norm(c, n) }", **CONV),
    keeps("conv_read_by_relu", "refusal", "float[N,3,6,6] x => y, z { c = Conv(x, w)  y = norm(c, n)  z = Relu(c) }", **CONV),
    keeps(
        "conv_read_by_two_norms",
        "refusal",
        "float[N,3,6,6] x => y, z { c = Conv(x, w)  y = norm(c, n)  z = norm(c, m) }",
        **CONV,
        m=Norm(4),
    ),
    keeps("conv_added_to_its_norm", "refusal", IMAGE + "c = Conv(x, w)  d = norm(c, n)  y = Add(c, d) }", **CONV),
    keeps(
        "conv_read_by_shape",
        "refusal",
        "float[N,3,6,6] x => y, int64[4] z { c = Conv(x, w)  y = norm(c, n)  z = Shape(c) }",
        **CONV,
        note="a shape does not change, but somebody reads the convolution",
    ),
    keeps(
        "between_is_output",
        "refusal",
        "float[N,3,6,6] x => y, t { c = Conv(x, w)  t = Transpose<perm=[0,1,3,2]>(c)  y = norm(t, n) }",
        **CONV,
    ),
    keeps(
        "between_is_output_through_identity",
        "refusal",
        "float[N,3,6,6] x => y, t { c = Conv(x, w)  t = Identity(c)  y = norm(t, n) }",
        **CONV,
    ),
    keeps(
        "middle_of_arithmetic_is_output",
        "refusal",
        "float[N,3,6,6] x => y, m { c = Conv(x, w)  m = Mul(c, s)  y = Add(m, t) }",
        w=(4, 3, 3, 3),
        s=Away((4, 1, 1)),
        t=(4, 1, 1),
        note="the product folds, the sum cannot: the product is an output",
    ),
    keeps(
        "max_pool_indices_used",
        "R3",
        "float[N,3,6,6] x => y, int64[N,4,3,3] i { c = Conv(x, w)  p, i = MaxPool<kernel_shape=[2,2]>(c)  y = norm(p, n) }",
        w=(4, 3, 3, 3),
        n=Norm(4, positive=True),
        judges=("onnxruntime",),
        note="ONNX's reference evaluator counts indices in another way",
    ),
    keeps(
        "dropout_mask_used",
        "point 2",
        "float[N,3,6,6] x => y, bool[N,4,4,4] k { c = Conv(x, w)  d, k = Dropout(c)  y = norm(d, n) }",
        **CONV,
    ),
    keeps(
        "dropout_in_training",
        "refusal",
        IMAGE + "c = Conv(x, w)  d = Dropout(c, zero, on)  y = norm(d, n) }",
        **CONV,
        zero=np.array(0, np.float32),
        on=np.array(True),
    ),
)

CASES = (*NAMES, *OUTPUTS)
