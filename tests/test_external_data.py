"""External data, judged as `onnx` judges it: what onnx refuses to read, irstat refuses too."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto
from onnx.external_data_helper import load_external_data_for_tensor

import irstat
from irstat.errors import IrstatError, MissingWeightsError, ModelError, UnsafePathError
from tests.support.files import assert_same_bits, beside, feeds_for, perceptron, run
from tests.support.models import model

VALUES = np.arange(300, dtype=np.float32)
CONTENT = VALUES.tobytes()


def tensor(dims=(300,), **entries):
    proto = TensorProto(name="w", dims=dims, data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        proto.external_data.add(key=key, value=str(value))
    return proto


def written(folder: Path, proto: TensorProto) -> Path:
    graph = model("g (float[300] x) => (float[300] y) { y = Add(x, x) }")
    graph.graph.initializer.append(proto)
    graph.graph.node[0].input[1] = "w"
    path = folder / "m.onnx"
    path.write_bytes(graph.SerializeToString())
    return path


def onnx_reads(folder: Path, proto: TensorProto):
    """Whether onnx reads the tensor."""
    copy = TensorProto()
    copy.CopyFrom(proto)
    try:
        load_external_data_for_tensor(copy, str(folder))
    except (onnx.checker.ValidationError, ValueError, OSError, RuntimeError):
        return False
    return copy.raw_data == CONTENT


def irstat_reads(folder: Path, proto: TensorProto):
    try:
        array = irstat.load(written(folder, proto)).tensor("w").data.array()
    except IrstatError:
        return False
    return array.tobytes() == CONTENT


@pytest.fixture
def folder(tmp_path):
    """A model's folder with good data in it, and things around it that no model may reach."""
    inside = tmp_path / "model"
    (inside / "sub").mkdir(parents=True)
    (inside / "w.bin").write_bytes(CONTENT)
    (inside / "sub" / "w.bin").write_bytes(CONTENT)
    (inside / "padded.bin").write_bytes(b"x" * 64 + CONTENT + b"y" * 64)
    (inside / "short.bin").write_bytes(CONTENT[:-4])
    (inside / "empty.bin").write_bytes(b"")
    (inside / "w ü.bin").write_bytes(CONTENT)
    for name in ("..w.bin", "w..bin", "a\\b.bin"):
        (inside / name).write_bytes(CONTENT)
    (inside / "twice.bin").write_bytes(CONTENT)
    os.link(inside / "twice.bin", inside / "again.bin")
    (tmp_path / "secret.bin").write_bytes(CONTENT)
    (tmp_path / "model2").mkdir()
    (tmp_path / "model2" / "secret.bin").write_bytes(CONTENT)
    (inside / "link.bin").symlink_to(inside / "w.bin")
    (inside / "out.bin").symlink_to(tmp_path / "secret.bin")
    (inside / "loop.bin").symlink_to(inside / "loop.bin")
    (inside / "dangling.bin").symlink_to(inside / "nothing.bin")
    (inside / "outdir").symlink_to(tmp_path)
    (inside / "indir").symlink_to(inside / "sub")
    os.mkfifo(inside / "pipe.bin")
    return inside


GOOD = {
    "plain": {"location": "w.bin"},
    "with length": {"location": "w.bin", "offset": 0, "length": 1200},
    "offset": {"location": "padded.bin", "offset": 64, "length": 1200},
    "below": {"location": "sub/w.bin"},
    "dot": {"location": "./w.bin"},
    "down and up again": {"location": "sub/../w.bin"},
    "two slashes inside": {"location": "sub//w.bin"},
    "backslash, which POSIX has in names": {"location": "a\\b.bin"},
    "blank and umlaut": {"location": "w ü.bin"},
    "checksum": {"location": "w.bin", "checksum": "x"},
    "basepath": {"location": "w.bin", "basepath": "/etc"},
}

BAD = {
    "parent": {"location": "../secret.bin"},
    "parent of a folder": {"location": "sub/../../secret.bin"},
    "sibling that begins alike": {"location": "../model2/secret.bin"},
    "parent by backslash": {"location": "..\\secret.bin"},
    "name that begins with two dots": {"location": "..w.bin"},
    "name with two dots inside": {"location": "w..bin"},
    "slash at the end": {"location": "w.bin/"},
    "folder and up": {"location": "sub/.."},
    "blank before": {"location": " w.bin"},
    "absolute": {"location": "{folder}/w.bin"},
    "absolute outside": {"location": "{folder}/../secret.bin"},
    "two slashes": {"location": "//w.bin"},
    "backslash first": {"location": "\\w.bin"},
    "link to a file beside": {"location": "link.bin"},
    "link out": {"location": "out.bin"},
    "link to itself": {"location": "loop.bin"},
    "link to nothing": {"location": "dangling.bin"},
    "link in the middle, out": {"location": "outdir/secret.bin"},
    "link in the middle, in": {"location": "indir/w.bin"},
    "hard link": {"location": "twice.bin"},
    "folder": {"location": "sub"},
    "folder itself": {"location": "."},
    "pipe": {"location": "pipe.bin"},
    "empty location": {"location": ""},
    "no location": {},
    "file as folder": {"location": "w.bin/w.bin"},
    "missing": {"location": "nothing.bin"},
    "missing folder": {"location": "nowhere/w.bin"},
    "name too long": {"location": "w" * 5000},
    "too short": {"location": "short.bin"},
    "too short for its length": {"location": "short.bin", "length": 1200},
    "empty file": {"location": "empty.bin"},
    "offset beyond": {"location": "w.bin", "offset": 1 << 40, "length": 1200},
    "offset so that the end is beyond": {"location": "w.bin", "offset": 4, "length": 1200},
    "length beyond": {"location": "w.bin", "length": 1 << 40},
    "length too small": {"location": "w.bin", "length": 1196},
    "length of zero": {"location": "w.bin", "length": 0},
    "length too large": {"location": "padded.bin", "offset": 64, "length": 1204},
    "negative offset": {"location": "w.bin", "offset": -4, "length": 1200},
    "negative length": {"location": "w.bin", "length": -1},
    "offset that is no number": {"location": "w.bin", "offset": "0x0"},
    "length that is no number": {"location": "w.bin", "length": "many"},
    "empty offset": {"location": "w.bin", "offset": ""},
    "empty length": {"location": "w.bin", "length": ""},
    "offset that no file has": {"location": "w.bin", "offset": "9" * 400, "length": 1200},
}


def whole(path):
    """The model with its external data, as if that had always been inside."""
    proto = onnx.load(path)
    for item in proto.graph.initializer:
        item.ClearField("data_location")
    return proto


def case(entries, folder):
    return tensor(**{key: str(value).replace("{folder}", str(folder)) for key, value in entries.items()})


@pytest.mark.parametrize("entries", GOOD.values(), ids=GOOD)
def test_what_onnx_reads_is_read(folder, entries):
    proto = case(entries, folder)
    assert onnx_reads(folder, proto)
    assert irstat_reads(folder, proto)


@pytest.mark.parametrize("entries", BAD.values(), ids=BAD)
def test_what_onnx_refuses_is_refused(folder, entries):
    proto = case(entries, folder)
    if "pipe.bin" not in str(entries):  # onnx may wait for the other end
        assert not onnx_reads(folder, proto)
    assert not irstat_reads(folder, proto)


STRICTER = {
    "null byte": {"location": "w.bin\0"},
    "offset with a sign": {"location": "w.bin", "offset": "+0"},
    "length with a blank": {"location": "w.bin", "length": " 1200"},
    "length with an underscore": {"location": "w.bin", "length": "1_200"},
    "digits that are not ASCII": {"location": "w.bin", "offset": "\u0660"},
}
"""What Python's int and C's strings understand, and nobody writes."""


@pytest.mark.parametrize("entries", STRICTER.values(), ids=STRICTER)
def test_irstat_is_stricter_where_onnx_is_careless(folder, entries):
    assert onnx_reads(folder, case(entries, folder))
    with pytest.raises(ModelError, match="'w'"):
        irstat.load(written(folder, case(entries, folder)))


MISSING = ("missing", "missing folder", "file as folder", "blank before")


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_file_is_no_error_until_bytes_are_needed(folder, name):
    path = written(folder, case(BAD[name], folder))
    assert irstat.analyze(path).totals["storage_bytes"] == 1200
    with pytest.raises(MissingWeightsError, match=r"weights can't be read from .*: No"):
        irstat.load(path).tensor("w").data.array()


@pytest.mark.parametrize("name", [name for name in BAD if name not in MISSING])
def test_all_else_is_refused_when_the_model_is_loaded(folder, name):
    with pytest.raises(ModelError, match="'w'"):
        irstat.load(written(folder, case(BAD[name], folder)))


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("parent", "outside the model's folder"),
        ("parent of a folder", "outside the model's folder"),
        ("absolute", "at the absolute path"),
        ("link to a file beside", r"goes through the link .*link\.bin"),
        ("link in the middle, out", r"goes through the link .*outdir$"),
        ("hard link", "more than one hard link"),
        ("folder", "not a plain file"),
        ("folder itself", "not a plain file"),
        ("slash at the end", "not a plain file"),
        ("pipe", "not a plain file"),
        ("no location", "has no location"),
    ],
)
def test_unsafe_paths_are_named(folder, name, problem):
    with pytest.raises(UnsafePathError, match=problem):
        irstat.load(written(folder, case(BAD[name], folder)))


def test_dims_that_lie(folder):
    for dims, problem in (((301,), "1,204 bytes"), ((-1,), "negative dim"), ((1 << 40, 1 << 40), "more elements")):
        with pytest.raises(ModelError, match=problem):
            irstat.load(written(folder, tensor(dims, location="w.bin", length=1200)))
    with pytest.raises(ModelError, match=r"bytes 0 to 1,204 of w\.bin, which has 1,200"):
        irstat.load(written(folder, tensor((301,), location="w.bin")))
    with pytest.raises(ModelError, match="'w'"):
        irstat.load(written(folder, tensor((1 << 40,), location="w.bin")))


def test_a_folder_reached_through_a_link_is_the_folder(folder, tmp_path, monkeypatch):
    written(folder, tensor(location="w.bin"))
    (tmp_path / "alias").symlink_to(folder)
    assert np.array_equal(irstat.load(tmp_path / "alias" / "m.onnx").tensor("w").data.array(), VALUES)
    monkeypatch.chdir(folder)
    data = irstat.load("m.onnx").tensor("w").data
    monkeypatch.chdir(tmp_path)
    assert np.array_equal(data.array(), VALUES)


def test_a_file_that_appears_later_is_looked_at_again(folder, tmp_path):
    path = written(folder, tensor(location="later.bin"))
    data = irstat.load(path).tensor("w").data
    (folder / "later.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(UnsafePathError, match="goes through the link"):
        data.array()
    (folder / "later.bin").unlink()
    os.link(tmp_path / "secret.bin", folder / "later.bin")
    with pytest.raises(UnsafePathError, match="more than one hard link"):
        data.array()
    (folder / "later.bin").unlink()
    os.mkfifo(folder / "later.bin")
    with pytest.raises(UnsafePathError, match="not a plain file"):
        data.array()
    (folder / "later.bin").unlink()
    (folder / "later.bin").write_bytes(CONTENT)
    assert np.array_equal(data.array(), VALUES)


def test_a_file_swapped_for_a_link_is_not_followed(folder, tmp_path):
    data = irstat.load(written(folder, tensor(location="w.bin"))).tensor("w").data
    status = (folder / "w.bin").stat()
    (folder / "w.bin").unlink()
    (folder / "w.bin").symlink_to(tmp_path / "secret.bin")
    os.utime(tmp_path / "secret.bin", ns=(status.st_atime_ns, status.st_mtime_ns))  # size and time agree
    with pytest.raises(MissingWeightsError, match="can't be read"):
        data.array()


def test_a_model_from_memory_reads_no_files(folder, monkeypatch):
    monkeypatch.chdir(folder)  # where a file of that name lies
    content = written(folder, tensor(location="w.bin")).read_bytes()
    for source in (content, ModelProto.FromString(content)):
        assert irstat.analyze(source).totals["storage_bytes"] == 1200
        data = irstat.load(source).tensor("w").data
        with pytest.raises(MissingWeightsError, match="the model was loaded from memory; load it from its file"):
            data.array()
    with pytest.raises(UnsafePathError):
        irstat.load(written(folder, tensor(location="../w.bin")).read_bytes())


def test_external_data_in_attributes_and_sparse_tensors_is_checked_too(folder):
    bad = tensor(location="../secret.bin")
    for place in ("attribute", "sparse", "body"):
        proto = model(
            """g (float[300] x, bool c) => (float[300] y) { y = If(c) <
                then_branch = t () => (float[300] p) { p = Neg(x) }, else_branch = e () => (float[300] p) { p = Abs(x) }> }"""
        )
        branch = proto.graph.node[0].attribute[0].g
        if place == "attribute":
            branch.node[0].attribute.append(onnx.helper.make_attribute("extra", bad))
        elif place == "sparse":
            proto.graph.sparse_initializer.add(dims=[1000]).values.CopyFrom(bad)
        else:
            branch.initializer.append(bad)
        (folder / "m.onnx").write_bytes(proto.SerializeToString())
        with pytest.raises(UnsafePathError, match="outside the model's folder"):
            irstat.load(folder / "m.onnx")


# ---- analysis and writing


def test_analysis_needs_no_weights(tmp_path):
    path = beside(tmp_path, perceptron())
    with_data = irstat.analyze(path, dims={"N": 3}).totals
    (tmp_path / "m.data").unlink()
    assert irstat.analyze(path, dims={"N": 3}).totals == with_data
    assert with_data == irstat.analyze(perceptron(), dims={"N": 3}).totals


def test_what_onnx_wrote_beside_is_brought_in(tmp_path):
    graph = irstat.load(beside(tmp_path, perceptron()))
    irstat.save(graph, tmp_path / "inside.onnx")
    assert onnx.load(tmp_path / "inside.onnx", load_external_data=False) == ModelProto.FromString(perceptron())


def test_missing_weights_are_an_error_of_writing(tmp_path):
    path = beside(tmp_path, perceptron())
    (tmp_path / "m.data").unlink()
    graph = irstat.load(path)
    old = b"what was there before"
    for weights in ("auto", "inside", "beside"):
        (tmp_path / "new.onnx").write_bytes(old)
        with pytest.raises(MissingWeightsError, match=r"weights can't be read from .*m\.data"):
            irstat.save(graph, tmp_path / "new.onnx", weights)
        assert (tmp_path / "new.onnx").read_bytes() == old
    with pytest.raises(MissingWeightsError):
        irstat.to_model(graph)
    assert sorted(os.listdir(tmp_path)) == ["m.onnx", "new.onnx"]


def test_weights_left_out(tmp_path):
    path = beside(tmp_path, perceptron())
    (tmp_path / "m.data").unlink()
    irstat.save(irstat.load(path), tmp_path / "shell.onnx", "omit")
    assert not (tmp_path / "shell.onnx.data").exists()
    assert irstat.analyze(tmp_path / "shell.onnx").totals["params"] == irstat.analyze(perceptron()).totals["params"]
    whole = irstat.load(perceptron())
    irstat.save(whole, tmp_path / "whole.onnx", "beside")
    assert (tmp_path / "whole.onnx").read_bytes() == (tmp_path / "shell.onnx").read_bytes().replace(b"shell", b"whole")


def test_written_beside(tmp_path):
    irstat.save(irstat.load(perceptron()), tmp_path / "m.onnx", "beside")
    proto = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    entries = {t.name: {e.key: e.value for e in t.external_data} for t in proto.graph.initializer}
    assert entries == {
        "w1": {"location": "m.onnx.data", "offset": "0", "length": "4096"},
        "b1": {},
        "w2": {"location": "m.onnx.data", "offset": "4096", "length": "2048"},
        "b2": {},
    }
    onnx.checker.check_model(str(tmp_path / "m.onnx"))
    assert whole(tmp_path / "m.onnx") == ModelProto.FromString(perceptron())
    feeds = feeds_for(proto)
    assert_same_bits(run(tmp_path / "m.onnx", feeds), run(ModelProto.FromString(perceptron()), feeds))


def test_a_model_written_over_itself(tmp_path):
    path = beside(tmp_path, perceptron(), "m.onnx")  # m.onnx.onnx and m.onnx.data
    path = path.rename(tmp_path / "m.onnx")
    graph = irstat.load(path)
    irstat.save(graph, path, "beside")  # its source and its target are the same file
    assert whole(path) == ModelProto.FromString(perceptron())
    assert sorted(item.name for item in tmp_path.iterdir()) == ["m.onnx", "m.onnx.1.data"]
    with pytest.raises(MissingWeightsError, match="weights can't be read"):
        graph.tensor("w1").data.array()
    irstat.save(irstat.load(path), path)
    assert onnx.load(path, load_external_data=False) == ModelProto.FromString(perceptron())


def test_external_data_outside_initializers_moves_along(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.mkdir()
    target.mkdir()
    (source / "w.bin").write_bytes(CONTENT)
    proto = model(
        """g (float[300] x) => (float[300] y) { c = Constant <value = float[1] {0}> () d = my.f(x) y = Sum(c, d) }
        <domain: "my", opset_import: ["": 20]> f (p) => (q) { v = Constant <value = float[1] {0}> () q = Add(p, v) }""",
        imports='"my": 1',
    )
    for node in (proto.graph.node[0], proto.functions[0].node[0]):
        node.attribute[0].t.CopyFrom(tensor(location="w.bin"))
    sparse = proto.graph.sparse_initializer.add(dims=[1000])
    sparse.values.CopyFrom(tensor(location="w.bin"))
    sparse.indices.CopyFrom(onnx.numpy_helper.from_array(np.arange(300)))
    algorithm = proto.training_info.add().algorithm
    algorithm.name = "algorithm"
    algorithm.initializer.append(tensor(location="w.bin"))
    (source / "m.onnx").write_bytes(proto.SerializeToString())
    graph = irstat.load(source / "m.onnx")
    irstat.save(graph, target / "m.onnx")
    new = onnx.load(target / "m.onnx", load_external_data=False)
    for moved in (
        new.graph.node[0].attribute[0].t,
        new.functions[0].node[0].attribute[0].t,
        new.graph.sparse_initializer[0].values,
        new.training_info[0].algorithm.initializer[0],
    ):
        assert moved.raw_data == CONTENT
        assert moved.data_location == TensorProto.DEFAULT
        assert not moved.external_data
    assert irstat.to_model(graph) == new
