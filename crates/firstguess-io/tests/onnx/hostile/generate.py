#!/usr/bin/env python3
"""Writes the ONNX files beside this script: models that lie, or that hold what is not supported.

Usage: python3 generate.py. Needs onnx. The files are kept, so that the tests need it not.
"""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
RANDOM = np.random.default_rng(0)


def weight(name, *shape):
    return numpy_helper.from_array((RANDOM.standard_normal(shape) * np.sqrt(2 / shape[0])).astype(np.float32), name)


def save(name, nodes, weights, shape=("n", 6), output=("n", 3)):
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, list(output))], weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="by hand")
    model.ir_version = 9
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString())


def outside(location):
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[6, 3], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


DENSE = helper.make_node("MatMul", ["x", "w"], ["y"])
save("cycle", [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Add", ["a", "w"], ["b"]), helper.make_node("Relu", ["b"], ["y"])], [weight("w", 6, 6)], output=("n", 6))
save("enormous", [DENSE], [onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**40, 2**20])])
save("outside", [DENSE], [outside("../../secret.bin")])
save("absolute", [DENSE], [outside("/etc/passwd")])
save("batchless", [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("ReduceMean", ["h"], ["y"], axes=[0], keepdims=0)], [weight("w", 6, 3)], output=(3,))
broken = weight("w", 6, 3)
values = numpy_helper.to_array(broken).copy()
values[1, 1] = np.nan
save("nan", [DENSE], [numpy_helper.from_array(values, "w")])
strange = helper.make_node("NonMaxSuppression", ["x"], ["s"], name="strange")
save("unknown_first", [strange, helper.make_node("MatMul", ["s", "w"], ["y"])], [weight("w", 6, 3)])
save("open", [DENSE], [weight("w", 6, 3)], shape=("n", "width"))
save(
    "unknown_middle",
    [
        helper.make_node("Gemm", ["x", "first.weight"], ["h"]),
        helper.make_node("NonMaxSuppression", ["h"], ["s"], name="strange"),
        helper.make_node("Gemm", ["s", "head.weight"], ["y"]),
    ],
    [weight("first.weight", 6, 40), weight("head.weight", 40, 3)],
)
