"""Classical models of ai.onnx.ml; every sample has 4 features, there are 3 samples unless stated."""

import pytest

from tests.support.one_node import Row, check

ML = "ai.onnx.ml"
TREE = (
    "nodes_treeids=[0,0,0,0,0,1,1,1], nodes_nodeids=[0,1,2,3,4,0,1,2], nodes_featureids=[0,0,1,0,0,2,0,0],"
    ' nodes_modes=["BRANCH_LEQ","LEAF","BRANCH_LEQ","LEAF","LEAF","BRANCH_LEQ","LEAF","LEAF"],'
    " nodes_truenodeids=[1,0,3,0,0,1,0,0], nodes_falsenodeids=[2,0,4,0,0,2,0,0],"
    " nodes_values=[0.5,0.0,0.5,0.0,0.0,0.5,0.0,0.0]"
)
"""Two trees: one asks once or twice, one asks once."""


def row(op, attributes, row_id="", *, out="float[3,4] y", x="float[3,4] x", **more):
    names = ", ".join(part.rpartition(" ")[2] for part in out.split(", "))
    return Row(row_id or op, f"{ML}::{op}", f"({x}) => ({out}) {{ {names} = ai.onnx.ml.{op}<{attributes}>(x) }}", **more)


def svm(op, kernel, **more):
    vectors = ",".join(["0.5"] * 20)
    attributes = f'kernel_type="{kernel}", kernel_params=[0.5,0.0,3.0], support_vectors=[{vectors}]'
    if op == "SVMRegressor":
        attributes += ", n_supports=5, coefficients=[1.0,1.0,1.0,1.0,1.0], rho=[0.1]"
        return row(op, attributes, f"{op}-{kernel}", out="float[3,1] y", **more)
    attributes += (
        f", vectors_per_class=[2,2,1], classlabels_ints=[0,1,2], rho=[0.1,0.1,0.1], coefficients=[{','.join(['1.0'] * 10)}]"
    )
    return row(op, attributes, f"{op}-{kernel}", out="int64[3] y, float[3,3] z", **more)


ROWS = [
    row("Binarizer", "threshold=0.5", other=12),
    row("Imputer", "imputed_value_floats=[0.0], replaced_value_float=1.0", other=12),
    row("Scaler", "offset=[0.0], scale=[2.0]", other=24),  # subtract, multiply
    row("Normalizer", 'norm="MAX"', "Normalizer-max", other=21),  # a row: 3 comparisons, 4 divides
    row("Normalizer", 'norm="L1"', "Normalizer-l1", other=33),  # 4 absolute values, 3 adds, 4 divides
    row("Normalizer", 'norm="L2"', "Normalizer-l2", other=36),  # 4 squares, 3 adds, a root, 4 divides
    row("Normalizer", 'norm="L2"', "Normalizer-one-sample", x="float[4] x", out="float[1,4] y", other=12),
    # 2 targets of 4 products, an intercept each
    row(
        "LinearRegressor",
        "targets=2, coefficients=[1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0], intercepts=[0.5,0.5]",
        out="float[3,2] y",
        macs=24,
        other=6,
    ),
    # without intercepts, and a logistic function 4
    row(
        "LinearRegressor",
        'coefficients=[1.0,1.0,1.0,1.0], post_transform="LOGISTIC"',
        "LinearRegressor-logistic",
        out="float[3,1] y",
        macs=12,
        other=12,
    ),
    # 3 classes: 36 products, 9 intercepts, 2 comparisons a sample, softmax 13 a sample
    row(
        "LinearClassifier",
        "coefficients=[1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0], intercepts=[0.5,0.5,0.5],"
        ' classlabels_ints=[0,1,2], post_transform="SOFTMAX"',
        out="int64[3] y, float[3,3] z",
        macs=36,
        other=54,
    ),
    # 5 support vectors: 20 products and 5 weights a sample; the offset 1
    svm("SVMRegressor", "LINEAR", macs=75, other=3),
    # a vector: 4 subtract, 4 square, 3 add, factor, exp: 13; then 5 weights
    svm("SVMRegressor", "RBF", macs=15, other=198),
    svm("SVMRegressor", "POLY", macs=75, other=48),  # factor, offset, power a vector
    row(
        "SVMRegressor",
        "coefficients=[1.0,1.0,1.0,1.0], rho=[0.1]",
        "SVMRegressor-no-vectors",
        out="float[3,1] y",
        macs=12,
        other=3,
    ),
    # 20 products; 3 pairs of classes weigh each vector twice: 10; an offset and a vote for each pair
    svm("SVMClassifier", "LINEAR", macs=90, other=18),
    svm("SVMClassifier", "SIGMOID", macs=90, other=63),  # factor, offset, tanh for each of 5 vectors more
    row(
        "SVMClassifier",
        "coefficients=[1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0], rho=[0.1,0.1], classlabels_ints=[0,1]",
        "SVMClassifier-no-vectors",
        out="int64[3] y, float[3,2] z",
        macs=24,
        other=6,
    ),
    # at most 2 + 1 questions and 2 adds a sample
    row(
        "TreeEnsembleRegressor",
        f"{TREE}, target_nodeids=[1,3,4,1,2], target_treeids=[0,0,0,1,1], target_ids=[0,0,0,0,0],"
        " target_weights=[1.0,2.0,3.0,4.0,5.0], n_targets=1",
        out="float[3,1] y",
        other=15,
        basis="approximate",
    ),
    row(
        "TreeEnsembleClassifier",
        f"{TREE}, class_nodeids=[1,3,4,1,2], class_treeids=[0,0,0,1,1], class_ids=[0,1,0,1,0],"
        " class_weights=[1.0,2.0,3.0,4.0,5.0], classlabels_int64s=[0,1]",
        out="int64[3] y, float[3,2] z",
        other=15,
        basis="approximate",
    ),
    # one tree: the root asks node 1 on its right, node 1 has two leaves: 2 questions, 1 add
    row(
        "TreeEnsemble",
        "n_targets=1, tree_roots=[0], nodes_featureids=[0,1], nodes_truenodeids=[0,1], nodes_falsenodeids=[1,2],"
        " nodes_trueleafs=[1,1], nodes_falseleafs=[0,1], leaf_targetids=[0,0,0],"
        " nodes_modes = uint8[2] {0,0}, nodes_splits = float[2] {0.5,0.5}, leaf_weights = float[3] {1,2,3}",
        out="float[3,1] y",
        other=9,
        basis="approximate",
    ),
    # looked up
    row("LabelEncoder", "keys_floats=[1.0], values_floats=[2.0]", basis="free", kept=0),
    row("OneHotEncoder", "cats_int64s=[1,2]", x="float[3] x", out="float[3,2] y", basis="free"),
    row(
        "CategoryMapper",
        'cats_int64s=[1], cats_strings=["a"]',
        x="int64[3] x",
        out="string[3] y",
        basis="free",
    ),
    row("ZipMap", "classlabels_int64s=[0,1,2,3]", out="seq(map(int64,float)) y", basis="free"),
    row("CastMap", 'cast_to="TO_FLOAT"', x="map(int64,float) x", out="float[1,4] y", basis="free"),
    row("DictVectorizer", "int64_vocabulary=[1,2,3,4]", x="map(int64,float) x", out="float[1,4] y", basis="free"),
    Row(
        "ArrayFeatureExtractor",
        f"{ML}::ArrayFeatureExtractor",
        "(float[3,4] x, int64[2] i) => (float[3,2] y) { y = ai.onnx.ml.ArrayFeatureExtractor(x, i) }",
        basis="free",
        written=24,
    ),
    Row(
        "FeatureVectorizer",
        f"{ML}::FeatureVectorizer",
        "(float[3,2] a, float[3,4] b) => (float[3,6] y) { y = ai.onnx.ml.FeatureVectorizer<inputdimensions=[2,4]>(a, b) }",
        basis="free",
        written=72,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)
