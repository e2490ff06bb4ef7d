"""Where weights and parameters come from, and who else reads them (point 2)."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.support.fold_bank.case import Away, Constant, Norm, folds, keeps

IMAGE = "float[N,3,6,6] x => y { "
TWO = "float[N,3,6,6] x => y, z { "
CONV: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4)}


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def initializer(proto: ModelProto, name: str) -> TensorProto:
    return next(tensor for tensor in proto.graph.initializer if tensor.name == name)


def as_constant_nodes(*names: str) -> object:
    """Turn initializers into Constant nodes."""

    def change(proto: ModelProto) -> None:
        for name in names:
            tensor = initializer(proto, name)
            proto.graph.node.insert(0, helper.make_node("Constant", [], [name], value=tensor))
            proto.graph.initializer.remove(tensor)

    return change


def sparse(name: str) -> object:
    """Store an initializer by its places that are not zero."""

    def change(proto: ModelProto) -> None:
        tensor = initializer(proto, name)
        dense = numpy_helper.to_array(tensor)
        places = np.flatnonzero(np.abs(dense) > 0.3)
        values = numpy_helper.from_array(dense.reshape(-1)[places], name)
        proto.graph.sparse_initializer.append(
            helper.make_sparse_tensor(values, numpy_helper.from_array(places.astype(np.int64), f"{name}_places"), dense.shape)
        )
        proto.graph.initializer.remove(tensor)

    return change


def overridable(*names: str) -> object:
    """List initializers as inputs: whoever runs the model may give others."""

    def change(proto: ModelProto) -> None:
        stored = [tensor for tensor in proto.graph.initializer if tensor.name in names or not names]
        for tensor in stored:
            proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))

    return change


def also_output(name: str) -> object:
    """Make an initializer an output of the graph."""

    def change(proto: ModelProto) -> None:
        tensor = initializer(proto, name)
        proto.graph.output.append(helper.make_tensor_value_info(name, tensor.data_type, tensor.dims))

    return change


SOURCES = (
    folds("weight_constant_node", "point 2", IMAGE + "c = Conv(x, w)  y = norm(c, n) }", **CONV, change=as_constant_nodes("w")),
    folds("weight_identity", "point 2", IMAGE + "v = Identity(w)  c = Conv(x, v)  y = norm(c, n) }", **CONV),
    folds(
        "weight_transposed",
        "point 2",
        IMAGE + "v = Transpose<perm=[3,2,0,1]>(w)  c = Conv(x, v)  y = norm(c, n) }",
        w=(3, 3, 3, 4),
        n=Norm(4),
    ),
    folds(
        "weight_reshaped",
        "point 2",
        IMAGE + "v = Reshape(w, to)  c = Conv(x, v)  y = norm(c, n) }",
        w=(12, 9),
        n=Norm(4),
        to=ints(4, 3, 3, 3),
    ),
    folds(
        "weight_cast_from_half",
        "point 2",
        IMAGE + "v = Cast<to=1>(w)  c = Conv(x, v)  y = norm(c, n) }",
        n=Norm(4),
        w=np.random.default_rng(2).standard_normal((4, 3, 3, 3)).astype(np.float16),
        tolerance=2e-5,
    ),
    folds(
        "weight_computed", "point 2", IMAGE + "v = Mul(w, s)  c = Conv(x, v)  y = norm(c, n) }", **CONV, s=Away((4, 1, 1, 1))
    ),
    folds(
        "weight_normalised",
        "point 2",
        IMAGE + "l = ReduceL2(w, axes)  u = Div(w, l)  v = Mul(g, u)  c = Conv(x, v)  y = norm(c, n) }",
        **CONV,
        g=Away((4, 1, 1, 1)),
        axes=ints(1, 2, 3),
    ),
    folds(
        "weight_concatenated",
        "point 2",
        IMAGE + "v = Concat<axis=0>(w, u)  c = Conv(x, v)  y = norm(c, n) }",
        w=(3, 3, 3, 3),
        u=(1, 3, 3, 3),
        n=Norm(4),
    ),
    folds(
        "weight_sparse",
        "point 2",
        "float[N,3,6,6] x => float[N,4,4,4] y { c = Conv(x, w)  y = norm(c, n) }",
        **CONV,
        change=sparse("w"),
        judges=("onnxruntime",),
        note="ONNX's reference evaluator has no sparse weights",
    ),
    folds("weight_external", "point 2", IMAGE + "c = Conv(x, w, b)  y = norm(c, n) }", **CONV, b=(4,), external=True),
    folds(
        "weight_external_norm_into_conv",
        "point 2",
        IMAGE + "d = norm(x, n)  y = Conv(d, w) }",
        w=(4, 3, 3, 3),
        n=Norm(3),
        external=True,
    ),
    folds(
        "bias_constant_node",
        "point 2",
        IMAGE + "c = Conv(x, w, b)  y = norm(c, n) }",
        **CONV,
        b=(4,),
        change=as_constant_nodes("b"),
    ),
    folds(
        "everything_constant_node",
        "point 2",
        IMAGE + "c = Conv(x, w, b)  y = norm(c, n) }",
        **CONV,
        b=(4,),
        change=as_constant_nodes("w", "b", "n_scale", "n_bias", "n_mean", "n_var"),
    ),
    folds(
        "parameters_identity",
        "point 2",
        IMAGE + "m = Identity(n_mean)  v = Identity(n_var)  s = Identity(n_scale)"
        "  c = Conv(x, w)  y = BatchNormalization<epsilon=0.02>(c, s, n_bias, m, v) }",
        **CONV,
    ),
    folds(
        "parameters_computed",
        "point 2",
        IMAGE + "m = Mul(n_mean, h)  v = Add(n_var, h)  s = Neg(n_scale)"
        "  c = Conv(x, w)  y = BatchNormalization<epsilon=0.02>(c, s, n_bias, m, v) }",
        **CONV,
        h=np.array(1.5, np.float32),
    ),
    folds(
        "parameters_cast_from_half",
        "point 2",
        IMAGE + "m = Cast<to=1>(h)  c = Conv(x, w)  y = BatchNormalization<epsilon=0.02>(c, n_scale, n_bias, m, n_var) }",
        **CONV,
        h=np.array([0.3, -0.2, 1.1, 0.4], np.float16),
        tolerance=2e-5,
    ),
    folds(
        "parameters_constant_of_shape",
        "point 2",
        IMAGE
        + "s = ConstantOfShape<value=float[1] {1.5}>(four)  c = Conv(x, w)"
        "  y = BatchNormalization<epsilon=0.02>(c, s, n_bias, n_mean, n_var) }".replace("float[1]", "float[1] value"),
        **CONV,
        four=ints(4),
    ),
    folds(
        "one_tensor_for_two_parameters",
        "point 2",
        IMAGE + "c = Conv(x, w)  y = BatchNormalization<epsilon=0.02>(c, n_var, n_bias, n_bias, n_var) }",
        **CONV,
    ),
    folds("bias_is_norm_bias_too", "point 2", IMAGE + "c = Conv(x, w, n_bias)  y = norm(c, n) }", **CONV),
)

SHARED = (
    folds(
        "weight_shared_same_norm",
        "point 2",
        TWO + "u = Neg(x)  c = Conv(x, w)  y = norm(c, n)  v = Relu(u)  d = Conv(v, w)  z = norm(d, n) }",
        1,
        **CONV,
    ),
    folds(
        "weight_shared_other_norms",
        "point 2",
        TWO + "r = Relu(x)  c = Conv(x, w)  y = norm(c, n)  d = Conv(r, w)  z = norm(d, m) }",
        **CONV,
        m=Norm(4),
    ),
    folds(
        "weight_shared_one_without_norm",
        "point 2",
        TWO + "r = Relu(x)  c = Conv(x, w)  y = norm(c, n)  z = Conv(r, w) }",
        **CONV,
    ),
    folds(
        "bias_shared", "point 2", TWO + "c = Conv(x, w, b)  y = norm(c, n)  z = Conv(x, v, b) }", **CONV, v=(4, 3, 1, 1), b=(4,)
    ),
    folds(
        "weight_shared_by_transposed",
        "point 2",
        TWO + "c = Conv(x, w)  y = norm(c, n)  z = ConvTranspose(x, w) }",
        w=(3, 3, 3, 3),
        n=Norm(3),
    ),
    folds(
        "weight_read_by_another",
        "point 2",
        "float[N,3,6,6] x => y, z { c = Conv(x, w)  y = norm(c, n)  r = ReduceSum(w, axes)  z = Mul(x, r) }",
        1,
        w=(4, 3, 3, 3),
        n=Norm(4),
        axes=ints(0, 2, 3),
    ),
    folds("weight_is_output", "point 2", IMAGE + "c = Conv(x, w)  y = norm(c, n) }", **CONV, change=also_output("w")),
    folds("norm_mean_is_output", "point 2", IMAGE + "c = Conv(x, w)  y = norm(c, n) }", **CONV, change=also_output("n_mean")),
    folds(
        "parameters_shared",
        "point 2",
        "float[N,3,9,9] x => y { c = Conv(x, w)  d = norm(c, n)  r = Relu(d)  e = Conv(r, v)  y = norm(e, n) }",
        **CONV,
        v=(4, 4, 3, 3),
    ),
    folds(
        "parameters_shared_identity",
        "point 2",
        "float[N,3,9,9] x => y { s = Identity(n_scale)  c = Conv(x, w)  d = norm(c, n)"
        "  r = Relu(d)  e = Conv(r, v)  y = BatchNormalization<epsilon=0.02>(e, s, n_bias, n_mean, n_var) }",
        **CONV,
        v=(4, 4, 3, 3),
    ),
    folds(
        "constant_shared_by_mul_and_add",
        "point 2",
        IMAGE + "c = Conv(x, w)  m = Mul(c, s)  y = Add(s, m) }",
        w=(4, 3, 3, 3),
        s=Away((4, 1, 1)),
    ),
    folds(
        "weight_shared_forward_and_behind",
        "point 2",
        "float[N,4,6,6] x => y, z { d = norm(x, n)  y = Conv(d, w)  c = Conv(x, w)  z = norm(c, m) }",
        w=(4, 4, 3, 3),
        n=Norm(4),
        m=Norm(4),
    ),
)

IR3_RUNS = "onnxruntime takes initializers of IR 3 as constants, and nobody feeds them here"
OVERRIDABLE = (
    *(
        keeps(
            f"overridable_{what}_ir{version}",
            "refusal",
            IMAGE + "c = Conv(x, w, b)  y = norm(c, n) }",
            **CONV,
            b=(4,),
            ir_version=version,
            change=overridable(name),
        )
        for version in (8, 10)
        for what, name in (("weight", "w"), ("bias", "b"), ("scale", "n_scale"), ("variance", "n_var"))
    ),
    keeps(
        "overridable_all_ir8", "refusal", IMAGE + "c = Conv(x, w, b)  y = norm(c, n) }", **CONV, b=(4,), change=overridable()
    ),
    keeps(
        "overridable_all_ir3",
        "refusal",
        IMAGE + "c = Conv(x, w, b)  y = norm(c, n) }",
        **CONV,
        b=(4,),
        ir_version=3,
        opset=8,
        change=overridable(),
        note=IR3_RUNS,
    ),
    keeps(
        "overridable_all_ir3_mul",
        "refusal",
        IMAGE + "c = Conv(x, w)  y = Mul(c, s) }",
        w=(4, 3, 3, 3),
        s=Away((4, 1, 1)),
        ir_version=3,
        opset=8,
        change=overridable(),
        note=IR3_RUNS,
    ),
    keeps(
        "overridable_mul_ir8",
        "refusal",
        IMAGE + "c = Conv(x, w)  y = Mul(c, s) }",
        w=(4, 3, 3, 3),
        s=Away((4, 1, 1)),
        change=overridable("s"),
    ),
    keeps(
        "overridable_gemm_ir8",
        "refusal",
        "float[N,6] x => y { c = Gemm(x, w, b)  y = norm(c, n) }",
        w=(6, 4),
        b=(4,),
        n=Norm(4),
        change=overridable("w"),
    ),
    keeps(
        "overridable_norm_before_conv_ir8",
        "refusal",
        IMAGE + "d = norm(x, n)  y = Conv(d, w) }",
        w=(4, 3, 3, 3),
        n=Norm(3),
        change=overridable("n_mean"),
    ),
    keeps(
        "weight_is_input", "refusal", "float[N,3,6,6] x, float[4,3,3,3] w => y { c = Conv(x, w)  y = norm(c, n) }", n=Norm(4)
    ),
    keeps(
        "scale_is_input",
        "refusal",
        "float[N,3,6,6] x, float[4] s => y { c = Conv(x, w)  y = BatchNormalization(c, s, n_bias, n_mean, n_var) }",
        **CONV,
    ),
    keeps(
        "weight_depends_on_input",
        "refusal",
        "float[1,3,6,6] x, float[4,1,1,1] g => y { v = Mul(w, g)  c = Conv(x, v)  y = norm(c, n) }",
        **CONV,
    ),
)

CASES = (*SOURCES, *SHARED, *OVERRIDABLE)
