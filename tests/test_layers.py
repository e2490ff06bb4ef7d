import pytest

import irstat
from irstat.layers import layer_of
from tests.support.models import model

NAMESPACE = (
    ": pkg.Net/features: torch.nn.modules.container.Sequential/features.0: torch.nn.modules.conv.Conv2d/conv2d: aten.conv2d"
)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        # TorchScript: module paths, a container's own path repeated in its children
        ("/features/features.0/Conv", "features.0"),
        ("/layer1/layer1.0/conv1/Conv", "layer1.0.conv1"),
        ("/layer1/layer1.0/downsample/downsample.1/BatchNormalization", "layer1.0.downsample.1"),
        ("/fc/Gemm", "fc"),
        ("/Flatten", ""),
        ("/model/encoder/layers.0/self_attn/MatMul_1", "model.encoder.layers.0.self_attn"),
        ("/blocks.0/blocks.0.1/Add", "blocks.0.1"),
        ("/a/ab/Relu", "a.ab"),  # begins alike but is no child's path
        # tf2onnx: scopes, wrapped or not
        ("model/block1_conv1/BiasAdd", "model/block1_conv1"),
        ("StatefulPartitionedCall/model/dense/MatMul", "model/dense"),
        ("StatefulPartitionedCall/StatefulPartitionedCall/dense/MatMul", "dense"),
        ("model/dense/MatMul;model/dense/BiasAdd", "model/dense"),  # TFLite joins the names of what it fused
        ("PartitionedCall/Relu", ""),
        # no scope
        ("Conv_12", ""),
        ("node_conv2d_3", ""),
        ("", ""),
        ("//", ""),
        ("/", ""),
    ],
)
def test_scopes_in_names(name, path):
    assert layer_of(name, {}) == (path, "")


@pytest.mark.parametrize(
    ("metadata", "layer"),
    [
        ({"namespace": NAMESPACE}, ("features.0", "Conv2d")),
        ({"namespace": ": pkg.Net/conv2d: aten.conv2d"}, ("", "Net")),
        ({"namespace": "conv2d: aten.conv2d"}, ("", "")),
        ({"namespace": ""}, ("", "")),
        ({"namespace": "a/b/c"}, ("b", "")),
        (
            {
                "pkg.torch.onnx.name_scopes": "['', 'features', 'features.0', 'conv2d']",
                "pkg.torch.onnx.class_hierarchy": "['net.Net', 'nn.Sequential', 'nn.modules.conv.Conv2d', 'aten.conv2d']",
            },
            ("features.0", "Conv2d"),
        ),
        ({"pkg.torch.onnx.name_scopes": "['', 'conv1', 'conv2d']"}, ("conv1", "")),
        ({"pkg.torch.onnx.name_scopes": "['conv2d']"}, ("", "")),
        ({"irstat.layer": "stem/conv", "irstat.layer_type": "Conv2D", "namespace": NAMESPACE}, ("stem/conv", "Conv2D")),
        ({"irstat.layer": "stem/conv"}, ("stem/conv", "")),
    ],
)
def test_metadata_of_exporters(metadata, layer):
    assert layer_of("/ignored/scope/Conv", metadata) == layer


def test_metadata_of_others_leaves_the_name():
    assert layer_of("/fc/Gemm", {"author": "me", "pkg.torch.onnx.class_hierarchy": "['a', 'b']"}) == ("fc", "")


NO_LIST = (
    "",
    "[",
    "1",
    "{1: 2, 3: 4}",
    "{'a', 'b'}",
    "None",
    "f(1)",
    "['\\d', 'x', 'y']",
    "(" * 500,
    "\0",
    "'abc'",
    b"\xff",
    "[[], [], 3]",
)


@pytest.mark.parametrize("value", NO_LIST)
@pytest.mark.parametrize("key", ["namespace", "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy", "irstat.layer"])
def test_metadata_that_is_no_list_is_no_error(key, value):
    metadata = {"pkg.torch.onnx.name_scopes": "['a', 'b', 'c']"} if key.endswith("hierarchy") else {}
    layer, kind = layer_of("/fc/Gemm", {**metadata, key: value})
    assert isinstance(layer, str)
    assert isinstance(kind, str)


def test_a_reader_gives_each_node_its_layer():
    proto = model("g (float[2] x) => (float[2] y) { a = Relu(x) b = Exp(a) y = Neg(b) }")
    proto.graph.node[0].name = "/act/Relu"
    entry = proto.graph.node[1].metadata_props.add()
    entry.key, entry.value = "namespace", NAMESPACE
    nodes = irstat.load(proto).nodes()
    assert [(node.layer, node.layer_type) for node in nodes] == [("act", ""), ("features.0", "Conv2d"), ("", "")]
