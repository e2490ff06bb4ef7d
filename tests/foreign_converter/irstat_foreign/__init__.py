"""A converter of somebody else's: reads `.widths` files, lists of layer sizes, as a chain of matrix products."""

import itertools

import onnx

from irstat.errors import ConversionError


class ForeignConverter:
    name = "foreign"
    suffixes = (".widths",)

    def recognises(self, model):
        return str(model).endswith(".widths")

    def export(self, model, target, options):
        try:
            widths = [int(part) for part in model.read_text().split()]
        except ValueError as error:
            raise ConversionError(f"{model}: {error}") from error
        graph = onnx.GraphProto(name="widths")
        graph.input.append(onnx.helper.make_tensor_value_info("x", 1, [1, widths[0]]))
        current = "x"
        for index, (before, after) in enumerate(itertools.pairwise(widths)):
            values = [0.5] * (before * after)
            graph.initializer.append(onnx.helper.make_tensor(f"w{index}", 1, [before, after], values))
            node = onnx.helper.make_node("MatMul", [current, f"w{index}"], [f"h{index}"], f"layer{index}")
            node.metadata_props.add(key="irstat.layer", value=f"stack/layer{index}")
            node.metadata_props.add(key="irstat.layer_type", value="Product")
            graph.node.append(node)
            current = f"h{index}"
        graph.output.append(onnx.helper.make_tensor_value_info(current, 1, [1, widths[-1]]))
        model_proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)])
        onnx.save(model_proto, target)
        return "foreign 1.2.3"


CONVERTER = ForeignConverter()
