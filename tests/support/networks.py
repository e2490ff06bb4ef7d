"""Small networks that several test modules look at."""

from __future__ import annotations

from onnx import ModelProto

from tests.support.models import model


def scoped(proto: ModelProto) -> ModelProto:
    """Name scopes, which the text syntax has no way to write: `stem__Conv` becomes `stem/Conv`."""
    for node in proto.graph.node:
        node.name = node.name.replace("__", "/")
    return proto


CONVNET = """
convnet (float[1,3,8,8] image) => (float[1,10] logits)
<float[4,3,3,3] stem_weight = {WEIGHT}, float[4] bn_scale = {1,1,1,1}, float[4] bn_bias = {0,0,0,0},
 float[4] bn_mean = {0,0,0,0}, float[4] bn_var = {1,1,1,1}, float[10,4] head_weight = {HEAD},
 float[10] head_bias = {0,0,0,0,0,0,0,0,0,0}>
{
  [stem__Conv] a = Conv<pads=[1,1,1,1]>(image, stem_weight)
  [stem__bn__BatchNormalization] b = BatchNormalization(a, bn_scale, bn_bias, bn_mean, bn_var)
  [stem__act__Relu] c = Relu(b)
  [pool__GlobalAveragePool] d = GlobalAveragePool(c)
  [head__Flatten] e = Flatten(d)
  [head__Gemm] logits = Gemm<transB=1>(e, head_weight, head_bias)
}
"""


def convnet() -> ModelProto:
    """Convolution, batch norm, ReLU, global pool, linear: 112 weights, every kind of column."""
    numbers = {"WEIGHT": ",".join(["0.5"] * 108), "HEAD": ",".join(["0.25"] * 40)}
    text = CONVNET
    for name, value in numbers.items():
        text = text.replace(name, value)
    return scoped(model(text))


def decoder() -> ModelProto:
    """Attention over a free batch and a free length."""
    return scoped(
        model(
            """
        decoder (float[N,T,8] x) => (float[N,T,8] y) <float[8,8] w = {W}>
        {
          [attn__q] q = MatMul(x, w)
          [attn__t] k = Transpose<perm=[0,2,1]>(x)
          [attn__scores] s = MatMul(q, k)
          [attn__softmax] p = Softmax<axis=-1>(s)
          [attn__values] y = MatMul(p, x)
        }
        """.replace("{W}", "{" + ",".join(["0.5"] * 64) + "}")
        )
    )


def with_unknowns() -> ModelProto:
    """An operator nobody knows, and one whose result depends on data."""
    return model(
        """
        odd (float[1,16] x) => (int64[R,M] where, float[1,16] y)
        {
          [nonzero] where = NonZero(x)
          [mystery] h = custom.Mystery(x)
          [relu] y = Relu(h)
        }
        """,
        imports='"custom": 1',
    )
