"""BERT as an ONNX graph for serving, built node by node from named weights.

It reads `ids` and `positions` (n,) with full attention and gives `logit` (1,); its MatMul weights are
quantised to int8 by onnxruntime's dynamic quantisation.
"""

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from gruyere.values import Value

Floats = NDArray[np.float32]
Weights = Mapping[str, Floats]
"""Tensors under the names of the Hugging Face checkpoint, `embeddings.word_embeddings.weight` and so on."""

_MICROSOFT = "com.microsoft"


class BertShape(Value):
    """The measures of a BERT encoder."""

    hidden: int = 384
    layers: int = 6
    heads: int = 12
    inner: int = 1536
    positions: int = 512
    vocabulary: int = 30522
    epsilon: float = 1e-12


@dataclass(slots=True)
class GraphBuilder:
    """Collects nodes and initializers; every method returns the name of its result."""

    shape: BertShape
    weights: Weights
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def op(self, kind: str, inputs: list[str], name: str, domain: str = "", **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def dense(self, x: str, name: str, weight: Floats, bias: Floats) -> str:
        """x·Wᵀ + b for a weight of shape (out, in)."""
        product = self.op("MatMul", [x, self.constant(f"{name}.w", weight.T)], f"{name}.product")
        return self.op("Add", [product, self.constant(f"{name}.b", bias)], name)

    def norm(self, x: str, name: str) -> str:
        inputs = [x, self.constant(f"{name}.g", self.weights[f"{name}.weight"])]
        inputs.append(self.constant(f"{name}.o", self.weights[f"{name}.bias"]))
        return self.op("LayerNormalization", inputs, f"{name}.out", axis=-1, epsilon=self.shape.epsilon)

    def embed(self, ids: str, positions: str) -> str:
        """Sum of word (int8, one scale a row), position and segment embeddings, normed: (n, hidden)."""
        words = self.weights["embeddings.word_embeddings.weight"]
        scales = np.maximum(np.abs(words).max(1, keepdims=True), 1e-8) / 127
        levels = np.round(words / scales).astype(np.int8)
        table = self.weights["embeddings.position_embeddings.weight"]
        table = table + self.weights["embeddings.token_type_embeddings.weight"][0]
        rows = self.op("Gather", [self.constant("words.q", levels), ids], "words.rows")
        rows = self.op("Cast", [rows], "words.float", to=TensorProto.FLOAT)
        scale = self.op("Gather", [self.constant("words.s", scales.astype(np.float32)), ids], "words.scale")
        word = self.op("Mul", [rows, scale], "words.out")
        place = self.op("Gather", [self.constant("places", table), positions], "places.out")
        return self.norm(self.op("Add", [word, place], "embedded"), "embeddings.LayerNorm")

    def layer(self, x: str, number: int) -> str:
        """One transformer block: (n, hidden) to (n, hidden)."""
        at = f"encoder.layer.{number}"
        attended = self._attend(x, f"{at}.attention.self")
        mixed = self._named(attended, f"{at}.attention.output.dense")
        x = self.norm(self.op("Add", [x, mixed], f"{at}.sum"), f"{at}.attention.output.LayerNorm")
        wide = self._named(x, f"{at}.intermediate.dense")
        active = self.op("Gelu", [wide], f"{at}.gelu", _MICROSOFT)
        narrow = self._named(active, f"{at}.output.dense")
        return self.norm(self.op("Add", [x, narrow], f"{at}.sum2"), f"{at}.output.LayerNorm")

    def _named(self, x: str, name: str) -> str:
        return self.dense(x, name, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _attend(self, x: str, at: str) -> str:
        """Full multi-head attention."""
        parts = ("query", "key", "value")
        weight = np.concatenate([self.weights[f"{at}.{part}.weight"] for part in parts])
        bias = np.concatenate([self.weights[f"{at}.{part}.bias"] for part in parts])
        joined = self.dense(x, f"{at}.qkv", weight, bias)
        batched = self.op("Unsqueeze", [joined, self.constant("axis0", np.array([0]))], f"{at}.batched")
        names = [f"{at}.{part}" for part in parts]
        self.nodes.append(helper.make_node("Split", [batched], names, axis=2, num_outputs=3))
        self.op("MultiHeadAttention", names, f"{at}.out", _MICROSOFT, num_heads=self.shape.heads)
        return self.op("Squeeze", [f"{at}.out", "axis0"], f"{at}.flat")

    def model(self, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, "minilm", inputs, outputs, list(self.constants.values()))
        versions = [helper.make_opsetid("", 18), helper.make_opsetid(_MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=versions, ir_version=9)


def encoder_graph(shape: BertShape, weights: Weights, head: Floats, bias: float) -> onnx.ModelProto:
    """Return the float32 encoder: `ids` and `positions` (n,) to `logit` (1,), mean pooling and a linear head of shape (hidden,)."""
    builder = GraphBuilder(shape, weights)
    x = builder.embed("ids", "positions")
    for number in range(shape.layers):
        x = builder.layer(x, number)
    # The head stays float: it is a Mul and a sum, which dynamic quantisation leaves alone.
    weighed = builder.op("Mul", [x, builder.constant("head", head)], "weighed")
    total = builder.op("ReduceSum", [weighed, builder.constant("axis1", np.array([1]))], "total", keepdims=0)
    mean = builder.op("ReduceMean", [total], "mean", keepdims=0)
    builder.op("Add", [mean, builder.constant("bias", np.array([bias], dtype=np.float32))], "logit")
    integers = [helper.make_tensor_value_info(name, TensorProto.INT64, ["n"]) for name in ("ids", "positions")]
    return builder.model(integers, [helper.make_tensor_value_info("logit", TensorProto.FLOAT, [1])])


def quantized_encoder(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the encoder with int8 MatMul weights, one scale an output, by onnxruntime's dynamic quantisation."""
    logging.getLogger().disabled, before = True, logging.getLogger().disabled  # it advises shape inference, not needed
    try:
        with tempfile.TemporaryDirectory() as folder:
            plain, small = Path(folder) / "plain.onnx", Path(folder) / "small.onnx"
            onnx.save(model, plain)
            quantize_dynamic(
                plain,
                small,
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                weight_type=QuantType.QInt8,
                extra_options={"DefaultTensorType": TensorProto.FLOAT},
            )
            return onnx.load(small)
    finally:
        logging.getLogger().disabled = before
