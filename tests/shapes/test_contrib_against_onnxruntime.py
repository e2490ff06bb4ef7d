"""com.microsoft operators: irstat's shapes beside those of what onnxruntime computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, helper, numpy_helper

from irstat.element_types import NAME_OF
from irstat.shapes.contrib import RULES
from tests.shapes.contrib_cases import CASES, Case
from tests.shapes.observed import infer


def model_of(case: Case) -> ModelProto:
    names = ["" if array is None else f"i{slot}" for slot, array in enumerate(case.inputs)]
    outputs = [f"o{slot}" for slot in range(case.outputs)]
    node = helper.make_node(case.op_type, names, outputs, "node", domain="com.microsoft", **case.attrs)
    infos = [
        helper.make_tensor_value_info(name, case.types[slot], None)
        if slot in case.types
        else helper.make_empty_tensor_value_info(name)
        for slot, name in enumerate(outputs)
    ]
    graph = helper.make_graph([node], "g", [], infos)
    for slot, array in enumerate(case.inputs):
        if array is None:
            continue
        if slot in case.constants:
            graph.initializer.append(numpy_helper.from_array(array, names[slot]))
        else:
            number = helper.np_dtype_to_tensor_dtype(array.dtype)
            graph.input.append(helper.make_tensor_value_info(names[slot], number, array.shape))
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=10
    )


def feeds_of(case: Case) -> dict[str, np.ndarray]:
    return {f"i{slot}": array for slot, array in enumerate(case.inputs) if array is not None and slot not in case.constants}


def computed(case: Case) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model_of(case).SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, feeds_of(case)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_shapes_are_those_onnxruntime_computes(case: Case) -> None:
    graph = infer(model_of(case), feeds_of(case))
    inferred = [(graph.tensor(name).dtype, graph.tensor(name).shape) for name in graph.outputs]
    assert inferred == [(NAME_OF[helper.np_dtype_to_tensor_dtype(array.dtype)], array.shape) for array in computed(case)]


def test_every_rule_with_a_cpu_kernel_is_compared() -> None:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kernels = {
        definition.op_name
        for definition in state.get_all_opkernel_def()
        if definition.domain == "com.microsoft" and definition.provider == "CPUExecutionProvider"
    }
    missing = {name for domain, name in RULES if domain == "com.microsoft" and name in kernels} - {
        case.op_type for case in CASES
    }
    assert missing == set(NOT_RUN)


NOT_RUN = {
    "SparseAttention": "needs past and present in one buffer, which Python's run can't give",
    "SparseToDenseMatMul": "takes a sparse tensor",
    "MatMulFpQ4": "its weights are packed by a function onnxruntime does not export",
    "AttnLSTM": "has no example to build the input of its attention from",
    **dict.fromkeys(("BeamSearch", "GreedySearch", "Sampling", "WhisperBeamSearch"), "needs a whole decoder as a body"),
}
