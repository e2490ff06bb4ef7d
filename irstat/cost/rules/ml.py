"""Classical models of ai.onnx.ml. Source: the operators' definitions (ai.onnx.ml version 5)."""

from __future__ import annotations

from collections.abc import Hashable

from irstat.cost.cost import Arithmetic, Work
from irstat.cost.op import Op
from irstat.cost.registry import PerElement, free, per_element, rule, stopped

ML = "ai.onnx.ml"

per_element(
    {"Binarizer": PerElement(1, None), "Imputer": PerElement(1, None), "Scaler": PerElement(2, None)}, owner=__name__, domain=ML
)
free(
    dict.fromkeys(
        ("CastMap", "CategoryMapper", "DictVectorizer", "LabelEncoder", "OneHotEncoder", "ZipMap"),
        "looks up values, no arithmetic",
    ),
    owner=__name__,
    domain=ML,
    gradients=stopped,
)
free(dict.fromkeys(("ArrayFeatureExtractor", "FeatureVectorizer"), "moves data"), owner=__name__, domain=ML)


def _rows(op: Op) -> tuple[int, int]:
    """(samples, features) of the input; a vector is one sample."""
    dims = op.input(0).dims
    return (1, dims[0]) if len(dims) == 1 else (dims[0], op.input(0).elements // dims[0] if dims[0] else 0)


def _post(op: Op, samples: int, scores: int) -> int:
    """Operations of `post_transform` on the scores: none, logistic 4, softmax 5n - 2 a sample, probit 1."""
    transform = str(op.attr("post_transform", "NONE"))
    if transform.startswith("SOFTMAX"):
        return samples * max(5 * scores - 2, 0)
    return samples * scores * {"LOGISTIC": 4, "PROBIT": 1}.get(transform, 0)


@rule("Normalizer", domain=ML)
def normalizer(op: Op) -> Work:
    """MAX: n - 1 comparisons and n divides a row; L1: |x|, sum, divide; L2: x², sum, root, divide."""
    samples, features = _rows(op)
    per_row = {"MAX": 2 * features - 1, "L1": 3 * features - 1, "L2": 3 * features}[str(op.attr("norm", "MAX"))]
    return Work(Arithmetic(other=samples * per_row))


@rule("LinearRegressor", domain=ML)
def linear_regressor(op: Op) -> Work:
    """Coefficients times features for each target; an add for each given intercept."""
    samples, features = _rows(op)
    targets = int(op.attr("targets", 1))
    added = samples * targets if op.attr("intercepts") else 0
    return Work(Arithmetic(samples * targets * features, added + _post(op, samples, targets)))


@rule("LinearClassifier", domain=ML)
def linear_classifier(op: Op) -> Work:
    """Coefficients times features for each class, intercepts, then the largest score."""
    samples, features = _rows(op)
    classes = len(op.attr("coefficients", ())) // features if features else 0
    added = samples * classes if op.attr("intercepts") else 0
    return Work(Arithmetic(samples * classes * features, added + samples * max(classes - 1, 1) + _post(op, samples, classes)))


def _kernels(op: Op, vectors: int) -> Arithmetic:
    """Kernel values of one sample with every support vector: a dot product, and what the kernel does to it."""
    _, features = _rows(op)
    kernel = str(op.attr("kernel_type", "LINEAR"))
    if kernel == "RBF":
        return Arithmetic(other=vectors * (3 * features - 1 + 2))
    return Arithmetic(vectors * features, vectors * {"POLY": 3, "SIGMOID": 3}.get(kernel, 0))


@rule("SVMRegressor", domain=ML)
def svm_regressor(op: Op) -> Work:
    """Kernel values of every support vector, weighted and summed; without support vectors a dot product."""
    samples, features = _rows(op)
    vectors = int(op.attr("n_supports", 0))
    if not vectors:
        return Work(Arithmetic(samples * features, samples))
    return Work((_kernels(op, vectors) + Arithmetic(vectors, 1)) * samples)


@rule("SVMClassifier", domain=ML)
def svm_classifier(op: Op) -> Work:
    """Kernel values of every support vector; each pair of classes weighs the vectors of both and adds its offset."""
    samples, features = _rows(op)
    counts = tuple(op.attr("vectors_per_class", ()))
    classes = len(op.attr("classlabels_ints", ()) or op.attr("classlabels_strings", ()))
    if not counts:
        return Work(Arithmetic(samples * classes * features, samples * classes))
    pairs = classes * (classes - 1) // 2
    weighing = Arithmetic(sum(counts) * (classes - 1), 2 * pairs)
    return Work((_kernels(op, sum(counts)) + weighing) * samples)


@rule("TreeEnsembleRegressor", "TreeEnsembleClassifier", "TreeEnsemble", domain=ML)
def tree_ensemble(op: Op) -> Work:
    """A comparison at each level of each tree and an add for each tree; the deepest path of every tree is assumed."""
    samples, _ = _rows(op)
    depth, trees = _depths(op)
    return Work(
        Arithmetic(other=samples * (depth + trees)),
        basis="approximate",
        note="upper bound: the deepest path of every tree",
    )


Children = dict[Hashable, list[Hashable]]


def _depths(op: Op) -> tuple[int, int]:
    """(sum of the trees' depths, number of trees)."""
    children: Children = {}
    if op.op_type == "TreeEnsemble":
        roots = list(op.attr("tree_roots", ()))
        branches = (op.attr("nodes_truenodeids", ()), op.attr("nodes_falsenodeids", ()))
        leaves = (op.attr("nodes_trueleafs", ()), op.attr("nodes_falseleafs", ()))
        for node in range(len(branches[0])):
            children[node] = [ids[node] for ids, leaf in zip(branches, leaves, strict=True) if not leaf[node]]
        return sum(_depth(children, root) for root in roots), len(roots)
    keys = list(zip(op.attr("nodes_treeids", ()), op.attr("nodes_nodeids", ()), strict=True))
    branches = (op.attr("nodes_truenodeids", ()), op.attr("nodes_falsenodeids", ()))
    for key, mode, true_id, false_id in zip(keys, op.attr("nodes_modes", ()), *branches, strict=True):
        children[key] = [] if mode == "LEAF" else [(key[0], true_id), (key[0], false_id)]
    first = {key[0]: key for key in reversed(keys)}
    return sum(_depth(children, root) - 1 for root in first.values()), len(first)


def _depth(children: Children, root: Hashable) -> int:
    """Nodes on the longest path down from the root."""
    deepest = 0
    pending = [(root, 1)]
    seen: set[Hashable] = set()
    while pending:
        node, depth = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        deepest = max(deepest, depth)
        pending += [(child, depth + 1) for child in children.get(node, ())]
    return deepest
