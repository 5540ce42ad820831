"""BERT as ONNX graphs for serving, built node by node from named weights.

Two forms. The *encoder* reads `ids` and `positions` (n,) with full attention and gives `logit` (1,), its MatMul weights
quantised to int8 by onnxruntime's dynamic quantisation. The *stream* reads the next `ids` (n,) under a
causal mask with `past` keys and values and gives `evidence` (n, heads of the linear layer); its
weights are 8 bit in blocks of 32 and its activations are quantised row by row, so that a token's result
does not depend on which tokens were read in the same call.
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

_BLOCK = 32
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
    blocks: bool
    """Whether dense layers are quantised here, in blocks; else they are left in float32."""
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
        if not self.blocks:
            product = self.op("MatMul", [x, self.constant(f"{name}.w", weight.T)], f"{name}.product")
            return self.op("Add", [product, self.constant(f"{name}.b", bias)], name)
        levels, scales = block_quantized(weight)
        inputs = [x, self.constant(f"{name}.q", levels), self.constant(f"{name}.s", scales), "", ""]
        inputs.append(self.constant(f"{name}.b", bias))
        size = {"K": weight.shape[1], "N": weight.shape[0], "bits": 8, "block_size": _BLOCK, "accuracy_level": 4}
        return self.op("MatMulNBits", inputs, name, _MICROSOFT, **size)

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

    def layer(self, x: str, number: int, past: tuple[str, str] | None) -> str:
        """One transformer block: (n, hidden) to (n, hidden)."""
        at = f"encoder.layer.{number}"
        attended = self._attend(x, f"{at}.attention.self", past)
        mixed = self._named(attended, f"{at}.attention.output.dense")
        x = self.norm(self.op("Add", [x, mixed], f"{at}.sum"), f"{at}.attention.output.LayerNorm")
        wide = self._named(x, f"{at}.intermediate.dense")
        active = self.op("Gelu", [wide], f"{at}.gelu", _MICROSOFT)
        narrow = self._named(active, f"{at}.output.dense")
        return self.norm(self.op("Add", [x, narrow], f"{at}.sum2"), f"{at}.output.LayerNorm")

    def _named(self, x: str, name: str) -> str:
        return self.dense(x, name, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _attend(self, x: str, at: str, past: tuple[str, str] | None) -> str:
        """Multi-head attention; with a past it is causal and gives present keys and values."""
        parts = ("query", "key", "value")
        weight = np.concatenate([self.weights[f"{at}.{part}.weight"] for part in parts])
        bias = np.concatenate([self.weights[f"{at}.{part}.bias"] for part in parts])
        joined = self.dense(x, f"{at}.qkv", weight, bias)
        batched = self.op("Unsqueeze", [joined, self.constant("axis0", np.array([0]))], f"{at}.batched")
        names = [f"{at}.{part}" for part in parts]
        self.nodes.append(helper.make_node("Split", [batched], names, axis=2, num_outputs=3))
        outputs = [f"{at}.out"]
        if past is not None:
            names += ["", "", "", *past]
            outputs += [name.replace("past", "present") for name in past]
        attributes = {"num_heads": self.shape.heads, "unidirectional": int(past is not None)}
        self.nodes.append(helper.make_node("MultiHeadAttention", names, outputs, domain=_MICROSOFT, **attributes))
        return self.op("Squeeze", [f"{at}.out", "axis0"], f"{at}.flat")

    def model(self, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, "minilm", inputs, outputs, list(self.constants.values()))
        versions = [helper.make_opsetid("", 18), helper.make_opsetid(_MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=versions, ir_version=9)


def block_quantized(weight: Floats) -> tuple[NDArray[np.uint8], Floats]:
    """Return 8-bit levels (out, blocks, 32) around 128 and scales (out, blocks); `in` a multiple of 32."""
    blocks = weight.reshape(weight.shape[0], -1, _BLOCK)
    scales = np.maximum(np.abs(blocks).max(-1), 1e-8) / 127
    levels = np.clip(np.round(blocks / scales[..., None]) + 128, 0, 255).astype(np.uint8)
    return levels, scales.astype(np.float32)


def encoder_graph(shape: BertShape, weights: Weights, head: Floats, bias: float) -> onnx.ModelProto:
    """Return the float32 encoder: `ids` and `positions` (n,) to `logit` (1,), mean pooling and a linear head of shape (hidden,)."""
    builder = GraphBuilder(shape, weights, blocks=False)
    x = builder.embed("ids", "positions")
    for number in range(shape.layers):
        x = builder.layer(x, number, None)
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


def stream_graph(shape: BertShape, weights: Weights, layers: tuple[int, ...], head: Floats | None) -> onnx.ModelProto:
    """Return the causal stream with key-value cache.

    Inputs: `ids` and `positions` (n,), `past_key_i` and `past_value_i` (1, heads, p, hidden / heads).
    Outputs: `evidence` (n, columns) and `present_…` as the pasts, p + n long. The evidence is the
    features of `layers` (0 is the embeddings), concatenated and multiplied by `head` of shape
    (columns, len(layers)·hidden); without a head the features themselves.
    """
    builder = GraphBuilder(shape, weights, blocks=True)
    x = builder.embed("ids", "positions")
    states = [x]
    for number in range(max(layers)):
        x = builder.layer(x, number, (f"past_key_{number}", f"past_value_{number}"))
        states.append(x)
    chosen = [states[number] for number in layers]
    if head is None:
        builder.op("Concat", chosen, "evidence", axis=1)
    else:
        features = builder.op("Concat", chosen, "features", axis=1)
        builder.op("MatMul", [features, builder.constant("head", head.T)], "evidence")
    integers = [helper.make_tensor_value_info(name, TensorProto.INT64, ["n"]) for name in ("ids", "positions")]
    pasts = [f"past_{part}_{number}" for number in range(max(layers)) for part in ("key", "value")]
    size = shape.hidden // shape.heads
    caches = [helper.make_tensor_value_info(p, TensorProto.FLOAT, [1, shape.heads, f"p{p}", size]) for p in pasts]
    presents = [
        helper.make_tensor_value_info(p.replace("past", "present"), TensorProto.FLOAT, [1, shape.heads, f"q{p}", size])
        for p in pasts
    ]
    evidence = helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["n", "columns"])
    return builder.model([*integers, *caches], [evidence, *presents])
