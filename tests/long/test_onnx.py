#!/usr/bin/python3
"""ONNX's node cases (Debian's libonnx-testdata) of every op that weft has in some form, through libweft.so: inputs and outputs that others computed.

A case is a folder with one node, its inputs and its outputs. What weft does not have of it, a shape or an attribute, is skipped, and said; so is
what only repeats another case in other ops. Numbers must agree as ONNX's own backend tests want them to, and where weft has an op's formula, to
what floats leave of it.
"""
import collections
import ctypes
import glob
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

import numpy
import onnx
from onnx import numpy_helper

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "command"))
import weft  # noqa: E402

NODES = "/usr/share/libonnx-testdata/data/node"
RELATIVE, ABSOLUTE = 1e-5, 1e-6  # tighter than ONNX's 1e-3 and 1e-7 of numbers that are not small
CASES = {}  # op_type: what runs a case of it


class Skip(Exception):
    """Why weft cannot run a case."""


# ---- The library ----

LIBRARY = ctypes.CDLL(os.path.join(weft.BUILD, "libweft.so"))
for maker in ("weft_model_create", "weft_trainer_create"):
    getattr(LIBRARY, maker).restype = ctypes.c_void_p


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("count", ctypes.c_int), ("line", ctypes.c_size_t), ("column", ctypes.c_size_t),
                ("file", ctypes.c_char * 256), ("message", ctypes.c_char * 4096)]


class Options(ctypes.Structure):
    """The first members of weft_options; 0 is a default for all behind them."""
    _fields_ = [("optimizer", ctypes.c_char_p), ("loss", ctypes.c_char_p), ("others", ctypes.c_char * 1024)]


class Batch(ctypes.Structure):
    _fields_ = [("x", ctypes.c_void_p), ("y", ctypes.c_void_p), ("n", ctypes.c_size_t), ("targets", ctypes.c_void_p)]


def write_tensors(path, tensors, notes=None):
    header, data = {}, b""
    for name, values in tensors.items():
        values = numpy.asarray(values, dtype="<f4" if values.dtype.kind == "f" else "<i8", order="C")
        header[name] = {"dtype": "F32" if values.dtype.kind == "f" else "I64", "shape": list(values.shape),
                        "data_offsets": [len(data), len(data) + values.nbytes]}
        data += values.tobytes()
    if notes:
        header["__metadata__"] = {name: note for name, note in notes.items() if name not in ("checksum", "sha256")}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


class Model:
    """A model with parameters, and a trainer of its own where it is asked for one."""

    def __init__(self, layers, features, tensors=None):
        self.error = Error()
        self.trainer = None
        self.model = LIBRARY.weft_model_create(layers.encode(), ctypes.byref(self.error))
        if not self.model:
            raise AssertionError(self.error.message.decode())
        self.call("weft_model_init", ctypes.c_size_t(features), ctypes.c_uint64(1))
        if tensors:
            with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
                write_tensors(file.name, tensors)
                self.call("weft_model_load", file.name.encode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        LIBRARY.weft_trainer_free(ctypes.c_void_p(self.trainer))
        LIBRARY.weft_model_free(ctypes.c_void_p(self.model))

    def call(self, function, *arguments):
        on = self.trainer if function.startswith("weft_trainer") else self.model
        if getattr(LIBRARY, function)(ctypes.c_void_p(on), *arguments, ctypes.byref(self.error)):
            raise AssertionError(self.error.message.decode())

    def forward(self, x):
        x = numpy.ascontiguousarray(x, dtype=numpy.float32)
        LIBRARY.weft_model_outputs.restype = ctypes.c_size_t
        y = numpy.empty((len(x), LIBRARY.weft_model_outputs(ctypes.c_void_p(self.model))), dtype=numpy.float32)
        self.call("weft_model_forward", ctypes.c_void_p(x.ctypes.data), ctypes.c_size_t(len(x)), ctypes.c_void_p(y.ctypes.data))
        return y

    def train_with(self, loss, optimizer="sgd lr=0"):
        options = Options(optimizer.encode(), loss.encode())
        self.trainer = LIBRARY.weft_trainer_create(ctypes.c_void_p(self.model), None, ctypes.byref(options), ctypes.byref(self.error))
        if not self.trainer:
            raise AssertionError(self.error.message.decode())
        return self

    def loss(self, x, answers, step=False):
        """Of a batch; with `step` that of a training step."""
        x = numpy.ascontiguousarray(x, dtype=numpy.float32)
        classes = answers.dtype.kind == "i"
        answers = numpy.ascontiguousarray(answers, dtype=numpy.int32 if classes else numpy.float32)
        at = ctypes.c_void_p(answers.ctypes.data)
        batch = Batch(x.ctypes.data, at if classes else None, len(x), None if classes else at)
        loss, n_correct = ctypes.c_double(), ctypes.c_size_t()
        if step:
            self.call("weft_trainer_step", ctypes.byref(batch), ctypes.byref(loss))
        else:
            self.call("weft_trainer_evaluate", ctypes.byref(batch), ctypes.byref(loss), ctypes.byref(n_correct))
        return loss.value

    def tensors(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.safetensors")
            self.call("weft_model_save", path.encode())
            return {name: numpy.frombuffer(data, dtype="<f4").reshape(shape) for name, (shape, data) in weft.read_tensors(path)[0].items()
                    if len(data) == 4 * numpy.prod(shape, dtype=int)}


def forward(layers, x, tensors=None):
    """Rows through a model."""
    with Model(layers, x.shape[1], tensors) as model:
        return model.forward(x)


def number(value):
    """A float as a setting: so many digits that it reads back the same."""
    return f"{float(value):.9g}"


# ---- Cases ----

class Case:
    def __init__(self, folder):
        self.model = onnx.load(os.path.join(folder, "model.onnx"))
        self.node = self.model.graph.node[0]
        self.attributes = {a.name: onnx.helper.get_attribute_value(a) for a in self.node.attribute}
        self.opset = max(o.version for o in self.model.opset_import)
        graph = self.model.graph
        for value in [*graph.input, *graph.output]:
            if not value.type.HasField("tensor_type"):
                raise Skip("it is about sequences or optional values; weft has tensors")
        data = os.path.join(folder, "test_data_set_0")
        inputs = [self.read(data, f"input_{i}.pb") for i in range(len(graph.input))]
        by_name = {value.name: array for value, array in zip(graph.input, inputs)}
        self.inputs = [by_name.get(name) for name in self.node.input]  # None: an optional one that is left out
        outputs = [self.read(data, f"output_{i}.pb") for i in range(len(graph.output))]
        by_name = {value.name: array for value, array in zip(graph.output, outputs)}
        self.outputs = [by_name.get(name) for name in self.node.output]
        if self.inputs[0].dtype != numpy.float32:
            raise Skip(f"its numbers are {self.inputs[0].dtype}; weft computes with float32")

    @staticmethod
    def read(folder, name):
        tensor = onnx.TensorProto()
        with open(os.path.join(folder, name), "rb") as file:
            tensor.ParseFromString(file.read())
        return numpy_helper.to_array(tensor)

    def input(self, i):
        return self.inputs[i] if i < len(self.inputs) else None


def case_of(*ops):
    def add(function):
        CASES.update(dict.fromkeys(ops, function))
        return function
    return add


def compare(is_, want, relative=RELATIVE, absolute=ABSOLUTE):
    numpy.testing.assert_allclose(is_.reshape(want.shape), want, rtol=relative, atol=absolute)


def rows_by_axis(x, axis):
    """Rows along an axis, and back."""
    moved = numpy.moveaxis(x, axis, -1)
    return moved.reshape(-1, x.shape[axis]), lambda y: numpy.moveaxis(y.reshape(moved.shape), -1, axis)


def limits(case):
    low, high = ((case.input(1), -1e9), (case.input(2), 1e9))
    return [number(value if value is not None else other) for value, other in (low, high)]


def shrink(a):
    lambd, bias = a.get("lambd", 0.5), a.get("bias", 0.0)
    if bias not in (0, lambd):
        raise Skip("weft's shrinking takes lambd from what is left, or nothing")
    return f"{'softshrink' if bias else 'hardshrink'} {number(lambd)}"


def hard_sigmoid(a):
    if abs(a.get("alpha", 0.2) - 1 / 6) > 1e-7 or a.get("beta", 0.5) != 0.5:
        raise Skip("weft's hardsigmoid is PyTorch's: alpha 1/6, beta 1/2")
    return "hardsigmoid"


def selu(a):
    if abs(a.get("alpha", 1.6732632) - 1.6732632) > 1e-6 or abs(a.get("gamma", 1.050701) - 1.050701) > 1e-6:
        raise Skip("weft's selu is PyTorch's: one alpha and one gamma")
    return "selu"


MAPS = {
    "Relu": lambda a: "relu", "LeakyRelu": lambda a: f"leaky_relu {number(a.get('alpha', 0.01))}",
    "Elu": lambda a: f"elu {number(a.get('alpha', 1))}", "Selu": selu, "Celu": lambda a: f"celu {number(a.get('alpha', 1))}",
    "HardSigmoid": hard_sigmoid, "HardSwish": lambda a: "hardswish", "Mish": lambda a: "mish",
    "Sigmoid": lambda a: "sigmoid", "Softplus": lambda a: "softplus", "Softsign": lambda a: "softsign",
    "Tanh": lambda a: "tanh", "ThresholdedRelu": lambda a: f"threshold {number(a.get('alpha', 1))} 0", "Shrink": shrink,
    "Gelu": lambda a: "gelu tanh" if a.get("approximate") == b"tanh" else "gelu", "Flatten": lambda a: "flatten", "Identity": lambda a: "flatten",
}


@case_of(*MAPS)
def run_map(case):
    """All numbers of a tensor as one sample."""
    x = case.inputs[0]
    compare(forward(MAPS[case.node.op_type](case.attributes), x.reshape(1, -1)), case.outputs[0])


@case_of("Clip")
def run_clip(case):
    low, high = limits(case)
    if float(low) >= float(high):
        raise Skip("weft's hardtanh wants min_val below max_val")
    compare(forward(f"hardtanh {low} {high}", case.inputs[0].reshape(1, -1)), case.outputs[0], 0, 0)


@case_of("PRelu")
def run_prelu(case):
    x = case.inputs[0].reshape(1, -1)
    slopes = numpy.broadcast_to(case.inputs[1], case.inputs[0].shape).reshape(-1)
    compare(forward(f"prelu {x.size}", x, {"0.weight": slopes}), case.outputs[0])


@case_of("Softmax", "LogSoftmax")
def run_softmax(case):
    if case.opset < 13:
        raise Skip("before opset 13 it is over several axes at once")
    x, back = rows_by_axis(case.inputs[0], case.attributes.get("axis", -1))
    compare(back(forward("softmax" if case.node.op_type == "Softmax" else "log_softmax", x)), case.outputs[0])


def product(a, b, bias=None):
    tensors = {"0.weight": b.T, **({} if bias is None else {"0.bias": bias})}
    return forward(f"linear {b.shape[1]} bias={'false' if bias is None else 'true'}", a, tensors)


@case_of("Gemm")
def run_gemm(case):
    alpha, beta = case.attributes.get("alpha", 1.0), case.attributes.get("beta", 1.0)
    a, b = (m.T if case.attributes.get(key) else m for m, key in zip(case.inputs, ("transA", "transB")))
    c = case.input(2)
    if c is not None and c.ndim == 2 and c.shape[0] > 1:
        raise Skip("its bias differs from sample to sample; a linear layer's does not")
    bias = None if c is None else numpy.broadcast_to(numpy.float32(beta) * c, (1, b.shape[1])).reshape(-1)
    compare(product(a, numpy.float32(alpha) * b, bias), case.outputs[0])


@case_of("MatMul")
def run_matmul(case):
    a, b = case.inputs
    if a.ndim < 2 or b.ndim < 2:
        raise Skip("one of its operands is a vector")
    leading = numpy.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = (numpy.broadcast_to(m, leading + m.shape[-2:]).reshape(-1, *m.shape[-2:]) for m in (a, b))
    compare(numpy.stack([product(one, other) for one, other in zip(a, b)]), case.outputs[0])


@case_of("Add")
def run_add(case):
    """x + f(x), where f gives the other summand whatever x is."""
    x, other = case.inputs
    other = numpy.broadcast_to(other, x.shape).reshape(-1)
    tensors = {"0.0.weight": numpy.zeros((x.size, x.size), dtype=numpy.float32), "0.0.bias": other}
    compare(forward(f"residual [linear {x.size}]", x.reshape(1, -1), tensors), case.outputs[0])


@case_of("BatchNormalization")
def run_batch_norm(case):
    """In training the outputs are those whose distances to the targets add up to nothing."""
    x, back = rows_by_axis(case.inputs[0], 1)
    names = ("weight", "bias", "running_mean", "running_var")
    tensors = {f"0.{name}": values for name, values in zip(names, case.inputs[1:])}
    tensors["0.num_batches_tracked"] = numpy.array(0, dtype=numpy.int64)
    old_share = numpy.float32(case.attributes.get("momentum", 0.9))
    layer = f"batch_norm eps={number(case.attributes.get('epsilon', 1e-5))} momentum={number(1 - old_share)}"
    want = rows_by_axis(case.outputs[0], 1)[0]
    if not case.attributes.get("training_mode"):
        compare(back(forward(layer, x, tensors)), case.outputs[0])
        return
    with Model(layer, x.shape[1], tensors) as model:
        distance = model.train_with("l1_loss reduction=sum").loss(x, want, step=True)
        assert distance <= (RELATIVE * abs(want) + ABSOLUTE).sum(), distance
        after = model.tensors()
    compare(after["0.running_mean"], case.outputs[1])
    # ONNX keeps the variance of the batch, PyTorch and weft what it says of the whole: n / (n - 1) of that
    old, n = case.inputs[4], len(x)
    compare(old * old_share + (after["0.running_var"] - old * old_share) * numpy.float32((n - 1) / n), case.outputs[2])


@case_of("LayerNormalization")
def run_layer_norm(case):
    x = case.inputs[0]
    axis = case.attributes.get("axis", -1) % x.ndim
    rows = x.reshape(int(numpy.prod(x.shape[:axis], dtype=int)), -1)
    tensors = {"0.weight": case.inputs[1].reshape(-1), "0.bias": case.inputs[2].reshape(-1)}
    compare(forward(f"layer_norm eps={number(case.attributes.get('epsilon', 1e-5))}", rows, tensors), case.outputs[0], 1e-5, 3e-6)


@case_of("Dropout")
def run_dropout(case):
    x = case.inputs[0].reshape(1, -1)
    ratio = case.input(1) if case.opset >= 12 else case.attributes.get("ratio", 0.5)
    ratio = 0.5 if ratio is None else float(ratio)
    training = case.input(2) is not None and bool(case.input(2))
    if not training:
        compare(forward(f"dropout {number(ratio)}", x), case.outputs[0], 0, 0)
    elif ratio > 0:
        raise Skip("which numbers it drops is drawn by another generator")
    else:
        with Model("dropout 0", x.shape[1]) as model:
            want = case.outputs[0].reshape(1, -1)
            assert model.train_with("l1_loss reduction=sum").loss(x, want, step=True) == 0


def run_loss(case, name):
    """Positions are samples. Without a reduction each is a batch of its own."""
    rows, _ = rows_by_axis(case.inputs[0], 1)
    labels = case.inputs[1].reshape(-1).astype(numpy.int32)
    reduction = case.attributes.get("reduction", b"mean").decode()
    settings = f"reduction={'mean' if reduction == 'mean' else 'sum'}"
    if case.input(2) is not None:
        settings += f" weight=[{', '.join(map(number, case.inputs[2]))}]"
    if "ignore_index" in case.attributes:
        settings += f" ignore_index={case.attributes['ignore_index']}"
    with Model("flatten", rows.shape[1]) as model:
        model.train_with(f"{name} {settings}")
        pieces = [slice(None)] if reduction != "none" else [slice(i, i + 1) for i in range(len(rows))]
        compare(numpy.array([model.loss(rows[piece], labels[piece]) for piece in pieces]), case.outputs[0])


@case_of("NegativeLogLikelihoodLoss")
def run_nll(case):
    run_loss(case, "nll_loss")


@case_of("SoftmaxCrossEntropyLoss")
def run_cross_entropy(case):
    run_loss(case, "cross_entropy")
    if len(case.outputs) > 1:
        rows, back = rows_by_axis(case.inputs[0], 1)
        compare(back(forward("log_softmax", rows)), case.outputs[1])


def two_steps(optimizer, x, first, second):
    """Weights after steps along two gradients: halves of them are how far targets are from outputs, of whose squares the sum is the loss."""
    with Model(f"linear {x.size} bias=false", 1, {"0.weight": x.reshape(-1, 1)}) as model:
        model.train_with("mse_loss reduction=sum", optimizer)
        for gradient in (first, second):
            now = model.tensors()["0.weight"].reshape(-1)
            model.loss(numpy.ones((1, 1)), (now - gradient.reshape(-1) / 2).reshape(1, -1), step=True)
        return model.tensors()["0.weight"].reshape(x.shape)


def tensors_of(case, n_states):
    """An optimizer's inputs: rate, time, and for each of its tensors the weights, the gradient, and what is kept of earlier steps."""
    rest, n = case.inputs[2:], (len(case.inputs) - 2) // (2 + n_states)
    for i in range(n):
        yield [part.astype(numpy.float64) for part in rest[i::n]], case.outputs[i]


@case_of("Momentum")
def run_momentum(case):
    """A first step from weights that it brings to those of the case leaves its V behind."""
    a, rate, time = case.attributes, float(case.inputs[0]), int(case.inputs[1])
    dampening = 1 - a["beta"] if time > 0 else 0
    nesterov = a["mode"] == b"nesterov"
    if nesterov and dampening:
        raise Skip("weft's Nesterov momentum has no dampening, as PyTorch's")
    optimizer = (f"sgd lr={rate:.17g} momentum={number(a['alpha'])} dampening={number(dampening)} weight_decay={number(a['norm_coefficient'])} "
                 f"nesterov={'true' if nesterov else 'false'}")
    for (x, gradient, v), want in tensors_of(case, 1):
        before = x + rate * (v * (1 + a["alpha"]) if nesterov else v)
        compare(two_steps(optimizer, before, v - a["norm_coefficient"] * before, gradient), want)


@case_of("Adagrad")
def run_adagrad(case):
    """The same: a first gradient whose square is H. The second step has a rate that lr_decay has lowered once more than the case says."""
    a, time = case.attributes, int(case.inputs[1])
    decay = a.get("decay_factor", 0.0)
    rate = float(case.inputs[0]) / (1 + time * decay)
    optimizer = f"adagrad lr={rate * (1 + decay):.17g} lr_decay={number(decay)} eps={number(a['epsilon'])} "
    optimizer += f"weight_decay={number(a['norm_coefficient'])}"
    for (x, gradient, h), want in tensors_of(case, 1):
        root = numpy.sqrt(h)
        before = x + rate * (1 + decay) * root / (root + a["epsilon"])
        compare(two_steps(optimizer, before, root - a["norm_coefficient"] * before, gradient), want)


def second_step(optimizer, state, target):
    """The weights after the second step of a run whose checkpoint has been given weights and averages that no first step leaves behind."""
    with tempfile.TemporaryDirectory() as folder:
        for split in ("train", "test"):
            numpy.save(os.path.join(folder, f"x_{split}.npy"), numpy.ones((1, 1), dtype=numpy.float32))
            numpy.save(os.path.join(folder, f"y_{split}.npy"), target.reshape(1, -1).astype(numpy.float32))
        with open(os.path.join(folder, "e.yaml"), "w", encoding="utf-8") as file:
            file.write(f"data: {{set: ./}}\nmodel: [linear {target.size} bias=false]\nloss: mse_loss reduction=sum\noptimizer: {optimizer}\n"
                       "train: {batch: 1}\n")
        for epochs in (1, 2):
            subprocess.run([weft.COMMAND, "train", "e.yaml", "-o", "run", "--quiet", "--resume", "--set", f"train.epochs={epochs}"], cwd=folder,
                           check=True, capture_output=True)
            path = os.path.join(folder, "run", "checkpoint", "state.safetensors")
            tensors, notes = weft.read_tensors(path)
            if epochs == 1:
                assert set(tensors) == set(state), tensors
                write_tensors(path, {name: state[name].reshape(shape) for name, (shape, _) in tensors.items()}, notes)
        return numpy.frombuffer(tensors["0.weight"][1], dtype="<f4")


@case_of("Adam")
def run_adam(case):
    """ONNX corrects no average where T is 0, and adds epsilon to a root that is not corrected: another rate and another eps."""
    a, time = case.attributes, int(case.inputs[1])
    eps = a.get("epsilon", 1e-2)  # test_adam_multiple leaves it out, and its outputs are those of 0.01, not of ONNX's default
    if a.get("norm_coefficient_post"):
        raise Skip("its weights shrink once more behind the step")
    corrections = 1 - a["alpha"] ** 2, (1 - a["beta"] ** 2) ** 0.5
    rate = float(case.inputs[0]) * ((1 - a["beta"] ** time) ** 0.5 / (1 - a["alpha"] ** time) if time else 1)
    optimizer = (f"{{name: adam, lr: {rate * corrections[0] / corrections[1]:.17g}, betas: [{number(a['alpha'])}, {number(a['beta'])}], "
                 f"eps: {eps / corrections[1]:.17g}, weight_decay: {number(a.get('norm_coefficient', 0))}}}")
    for (x, gradient, mean, square), want in tensors_of(case, 2):
        state = {"0.weight": x, "optimizer.0.weight.exp_avg": mean, "optimizer.0.weight.exp_avg_sq": square}
        compare(second_step(optimizer, state, x - gradient / 2), want)


# ---- All of them ----

class Nodes(unittest.TestCase):
    def test_every_case_of_ops_that_weft_has(self):
        ran, skipped = collections.Counter(), []
        for path in sorted(glob.glob(os.path.join(NODES, "test_*"))):
            name = os.path.basename(path)
            original = os.path.join(NODES, name.removesuffix("_expanded"))
            nodes = onnx.load(os.path.join(original, "model.onnx")).graph.node
            if len(nodes) != 1 or nodes[0].op_type not in CASES:
                continue
            with self.subTest(case=name):
                try:
                    if path != original:
                        raise Skip(f"the numbers of {os.path.basename(original)} once more, its op taken apart")
                    CASES[nodes[0].op_type](Case(path))
                    ran[nodes[0].op_type] += 1
                except Skip as why:
                    skipped.append(f"{name}: {why}")
        for line in skipped:
            print(f"# skipped {line}")
        print("# ran " + ", ".join(f"{n} of {op}" for op, n in sorted(ran.items())))
        print(f"# {sum(ran.values())} ran, {len(skipped)} skipped", flush=True)
        self.assertFalse(set(CASES) - set(ran) - {"HardSigmoid", "Mish", "Gelu"}, "no case of these ran")  # the last two came later
        self.assertGreater(sum(ran.values()), 100)


weft.main()
