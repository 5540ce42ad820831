"""One step of the static classifier as an ONNX graph, for serving runtimes other than ours.

Our own serving steps in NumPy, which for one stream is as quick and needs no graph.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from gruyere.classifiers.serving.static import Recurrence, StaticSettings


def step_model(settings: StaticSettings, recurrence: Recurrence) -> onnx.ModelProto:
    """Return one step as ONNX: `vector` (n, dimensions) and `state` (n, width) to `next` and `logit` (n,)."""
    width = settings.width
    # ONNX orders the gates update, reset, new and calls PyTorch's form of the last `linear_before_reset`.
    order = np.concatenate([np.arange(width, 2 * width), np.arange(width), np.arange(2 * width, 3 * width)])
    constants = {
        "W": recurrence.inputs[order][None],
        "R": recurrence.states[order][None],
        "B": np.concatenate([recurrence.input_bias[order], recurrence.state_bias[order]])[None],
        "head": recurrence.head[:, None],
        "head_bias": np.array(recurrence.head_bias, dtype=np.float32),
        "first": np.array([0], dtype=np.int64),
        "last": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Unsqueeze", ["vector", "first"], ["sequence"]),
        helper.make_node("Unsqueeze", ["state", "first"], ["initial"]),
        helper.make_node(
            "GRU",
            ["sequence", "W", "R", "B", "", "initial"],
            ["", "final"],
            hidden_size=width,
            linear_before_reset=1,
        ),
        helper.make_node("Squeeze", ["final", "first"], ["next"]),
        helper.make_node("MatMul", ["next", "head"], ["raw"]),
        helper.make_node("Add", ["raw", "head_bias"], ["column"]),
        helper.make_node("Squeeze", ["column", "last"], ["logit"]),
    ]
    graph = helper.make_graph(
        nodes,
        "static step",
        [_value("vector", settings.dimensions), _value("state", width)],
        [_value("next", width), _value("logit", None)],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _value(name: str, width: int | None) -> onnx.ValueInfoProto:
    shape: list[str | int] = ["n"] if width is None else ["n", width]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
