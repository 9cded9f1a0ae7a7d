"""From a PyTorch model to the layers of a spec, as far as the vocabulary goes; what it cannot write down is named."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Set, Tuple

import torch
import torch.nn.functional as F
from torch import nn

from ._inputs import Batch

#: One layer of a spec, as JSON.
Layer = Any


class Untranslatable(Exception):
    """Why a step of the model has no layer in a spec."""


@dataclass
class Translated:
    """The part of the model, from the input on, that a spec can hold."""

    layers: List[Layer] = field(default_factory=list)
    #: For each layer with weights, in the order of a spec, its position in the model.
    order: List[int] = field(default_factory=list)
    #: Why it ends before the logits.
    ended: Optional[str] = None
    #: Why nothing at all was translated.
    nothing: Optional[str] = None
    #: The activation behind a layer: its name, and the normalisation (path, number of its call) whose output enters it,
    #: ``None`` where it is the layer's own.
    activations: Dict[int, Tuple[str, Optional[Tuple[str, int]]]] = field(default_factory=dict)


def activation_of(module: nn.Module) -> Optional[str]:
    """The name in specs of an activation module, ``None`` for any other module."""
    exact = {
        nn.ReLU: "relu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid", nn.SiLU: "silu", nn.Mish: "mish",
        nn.SELU: "selu", nn.Hardswish: "hard_swish", nn.ReLU6: "relu6",
    }  # fmt: skip
    for kind, name in exact.items():
        if type(module) is kind:
            return name
    if type(module) is nn.LeakyReLU:
        return f"leaky_relu({module.negative_slope!r})"
    if type(module) is nn.ELU:
        return f"elu({module.alpha!r})"
    if type(module) is nn.CELU:
        return f"celu({module.alpha!r})"
    if type(module) is nn.GELU:
        return "gelu" if getattr(module, "approximate", "none") == "none" else "gelu_tanh"
    if type(module) is nn.Softplus and module.beta == 1:
        return "softplus"
    if type(module) is nn.Hardtanh:
        bounds = (module.min_val, module.max_val)
        return {(-1.0, 1.0): "hard_tanh", (0.0, 6.0): "relu6"}.get((float(bounds[0]), float(bounds[1])))
    return None


_FUNCTIONS: Dict[Any, str] = {
    F.relu: "relu", torch.relu: "relu", F.relu_: "relu", F.tanh: "tanh", torch.tanh: "tanh", F.sigmoid: "sigmoid",
    torch.sigmoid: "sigmoid", F.silu: "silu", F.mish: "mish", F.selu: "selu", F.hardswish: "hard_swish",
    F.relu6: "relu6", torch.erf: "erf", torch.sin: "sin", torch.abs: "abs", torch.sign: "sign",
}  # fmt: skip
_METHODS = {"relu": "relu", "relu_": "relu", "tanh": "tanh", "sigmoid": "sigmoid", "erf": "erf", "sin": "sin", "abs": "abs"}
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
_ADDITIONS = (operator.add, operator.iadd, torch.add)
_FLATTENERS = ("flatten", "view", "reshape")


def translate(model: nn.Module, batch: Batch, calls: Dict[Tuple[str, int], int], tied: Dict[str, str]) -> Translated:
    """Traces the model and writes down what it can.

    ``calls`` gives the position of the layer with weights for each (path, number of the call); ``tied`` names the modules
    that share weights with another one. The model runs once on two examples.
    """
    import torch.fx
    from torch.fx.passes.shape_prop import ShapeProp

    if batch.kwargs or len(batch.args) != 1 or batch.numeric() is None:
        return Translated(nothing="theory takes one tensor of numbers; this model has other inputs")
    try:
        graph = torch.fx.Tracer().trace(model)
        traced = torch.fx.GraphModule(model, graph)
        with torch.no_grad():
            ShapeProp(traced).propagate(*batch.first(2).copy().args)
    except Exception as error:  # tracing runs the user's code with stand-ins: anything may be raised
        first = str(error).strip().splitlines()
        return Translated(nothing=f"torch.fx cannot trace the model: {first[0] if first else type(error).__name__}")
    return _Reader(traced, calls, tied).read()


class _Reader:
    """Walks the traced graph along the nodes that every path from input to output passes."""

    def __init__(self, traced: Any, calls: Dict[Tuple[str, int], int], tied: Dict[str, str]) -> None:
        self.traced = traced
        self.modules = dict(traced.named_modules())
        self.tied = tied
        self.nodes = list(traced.graph.nodes)
        self.at = {node: position for position, node in enumerate(self.nodes)}
        self.layer: Dict[Any, int] = {}
        self.repeated: Dict[Any, bool] = {}
        self.number: Dict[Any, int] = {}
        self.reached: Set[Any] = set()
        for node in self.nodes:
            if node.op == "placeholder" or (
                node.op != "get_attr" and "tensor_meta" in node.meta and any(n in self.reached for n in node.all_input_nodes)
            ):
                self.reached.add(node)
        counts: Dict[str, int] = {}
        for node in self.nodes:
            if node.op == "call_module":
                number = counts.get(node.target, 0)
                counts[node.target] = number + 1
                self.number[node] = number
                position = calls.get((node.target, number))
                if position is not None:
                    self.layer[node] = position
        for node in self.layer:
            self.repeated[node] = counts[node.target] > 1
        self.dominators: Dict[Any, int] = {}
        for node in self.nodes:
            common = -1
            for source in self.sources(node):
                common &= self.dominators[source]
            self.dominators[node] = (0 if common == -1 else common) | 1 << self.at[node]

    def read(self) -> Translated:
        done = Translated()
        done.activations = self.activations()
        output = next(node for node in self.nodes if node.op == "output")
        result = output.args[0]
        if not isinstance(result, torch.fx.Node):
            done.nothing = "the model returns more than one tensor"
            return done
        path = self.path(result)
        if not path or path[0].op != "placeholder":
            done.nothing = "the output does not depend on the input alone"
            return done
        for before, after in zip(path, path[1:]):
            try:
                layers, order = self.step(before, after)
            except Untranslatable as why:
                done.ended = f"{self.name(after)}: {why}"
                break
            done.layers += layers
            done.order += order
        if done.ended is None and len(self.shape(result)) != 2:
            done.ended = f"the output has shape {list(self.shape(result))}, not one row of class scores per example"
        if not done.order:
            done.nothing = done.ended or "no layer has weights"
        return done

    def activations(self) -> Dict[int, Tuple[str, Optional[Tuple[str, int]]]]:
        """The activation of the vocabulary that each layer feeds, directly or through a normalisation."""
        found: Dict[int, Tuple[str, Optional[Tuple[str, int]]]] = {}
        for node in self.nodes:
            name = self.activation(node)
            sources = self.sources(node)
            if name is None or len(sources) != 1:
                continue
            source, tap = sources[0], None
            if source not in self.layer and source.op == "call_module" and len(self.sources(source)) == 1:
                if isinstance(self.modules[source.target], _NORMS):
                    tap = (source.target, self.number[source])
                    source = self.sources(source)[0]
            if source in self.layer:
                found.setdefault(self.layer[source], (name, tap))
        return found

    def sources(self, node: Any) -> List[Any]:
        """The tensors that depend on the input and that the node reads."""
        return [n for n in node.all_input_nodes if n in self.reached]

    def path(self, node: Any, start: Optional[Any] = None) -> List[Any]:
        """The nodes that every way to ``node`` passes, from ``start`` on."""
        bits = self.dominators[node]
        first = 0 if start is None else self.at[start]
        return [n for n in self.nodes[first : self.at[node] + 1] if bits >> self.at[n] & 1]

    def shape(self, node: Any) -> Tuple[int, ...]:
        meta = node.meta.get("tensor_meta")
        shape = getattr(meta, "shape", None)
        if shape is None:
            raise Untranslatable("it returns several tensors")
        return tuple(shape)

    def name(self, node: Any) -> str:
        if node.op == "call_module":
            return f"{node.target} ({type(self.modules[node.target]).__name__})"
        target = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        return str(target)

    def step(self, before: Any, after: Any) -> Tuple[List[Layer], List[int]]:
        """The layers between two neighbours on the path."""
        sources = self.sources(after)
        if sources == [before]:
            return self.operation(after, before)
        if after.target in _ADDITIONS or (after.op == "call_method" and after.target in ("add", "add_")):
            if len(sources) == 2 and after.kwargs.get("alpha", 1) == 1:
                branches = sorted((self.region(before, source) for source in sources), key=lambda b: len(b[1]))
                (shortcut, first), (branch, second) = branches
                if not branch and not shortcut:
                    raise Untranslatable("it adds a tensor to itself")
                layer: Dict[str, Any] = {"residual": branch}
                if shortcut:
                    layer["shortcut"] = shortcut
                return [layer], first + second
        raise Untranslatable("it joins several paths other than by a sum of two")

    def region(self, start: Any, node: Any) -> Tuple[List[Layer], List[int]]:
        layers: List[Layer] = []
        order: List[int] = []
        path = self.path(node, start)
        for before, after in zip(path, path[1:]):
            more, places = self.step(before, after)
            layers += more
            order += places
        return layers, order

    def activation(self, node: Any) -> Optional[str]:
        if node.op == "call_module":
            return activation_of(self.modules[node.target])
        if node.op == "call_method":
            return _METHODS.get(node.target)
        if node.op != "call_function":
            return None
        if node.target is F.gelu:
            return "gelu" if node.kwargs.get("approximate", "none") == "none" else "gelu_tanh"
        if node.target is F.leaky_relu:
            slope = node.args[1] if len(node.args) > 1 else node.kwargs.get("negative_slope", 0.01)
            return f"leaky_relu({slope!r})"
        if node.target is F.elu:
            alpha = node.args[1] if len(node.args) > 1 else node.kwargs.get("alpha", 1.0)
            return f"elu({alpha!r})"
        if node.target is F.softplus and len(node.args) == 1 and not node.kwargs:
            return "softplus"
        return _FUNCTIONS.get(node.target)

    def operation(self, node: Any, source: Any) -> Tuple[List[Layer], List[int]]:
        name = self.activation(node)
        if name is not None:
            return [name], []
        before, after = self.shape(source), self.shape(node)
        if node.op == "call_module":
            return self.module(node, self.modules[node.target], before, after)
        plain = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
        if plain in _FLATTENERS:
            return self.flattened(before, after), []
        if plain in ("contiguous", "clone") and before == after:
            return [], []
        if plain == "dropout" and not node.kwargs.get("training", True):
            return [], []
        if plain == "adaptive_avg_pool2d" and after[2:] == (1, 1):
            return ["global_average_pool"], []
        if plain == "mean" and len(before) == 4 and len(after) in (2, 4) and after[:2] == before[:2]:
            if all(extent == 1 for extent in after[2:]):
                return ["global_average_pool"], []
        if plain in ("max_pool2d", "avg_pool2d"):
            return self.pool(node, plain), []
        if plain == "batch_norm":
            self.check_batch_norm(node)
            return ["batch_norm"], []
        raise Untranslatable("the vocabulary of specs has no such layer")

    def pool(self, node: Any, plain: str) -> List[Layer]:
        largest = plain.startswith("max")
        given = dict(zip(("input", "kernel_size", "stride", "padding") + (_MAX_POOL if largest else _AVG_POOL), node.args))
        return [_pool(largest, {**given, **node.kwargs})]

    def check_batch_norm(self, node: Any) -> None:
        """Of the function: in training, with unit gains and no shifts."""
        given = dict(zip(("input", "running_mean", "running_var", "weight", "bias", "training"), node.args)) | node.kwargs
        if given.get("training") is not True:
            raise Untranslatable("in evaluation mode it does not normalise by the batch")
        for key, wanted in (("weight", 1), ("bias", 0)):
            value = given.get(key)
            if value is None:
                continue
            if not isinstance(value, torch.fx.Node) or value.op != "get_attr":
                raise Untranslatable("its gains are computed")
            held: Any = self.traced
            for part in str(value.target).split("."):
                held = getattr(held, part)
            if bool((held != wanted).any()):
                raise Untranslatable("its gains are not 1 or its shifts not 0")

    def flattened(self, before: Tuple[int, ...], after: Tuple[int, ...]) -> List[Layer]:
        if len(after) != 2 or before[0] != after[0]:
            raise Untranslatable(f"it changes the shape from {list(before)} to {list(after)}")
        return ["flatten"] if len(before) == 4 and before[2:] != (1, 1) else []

    def module(
        self, node: Any, module: nn.Module, before: Tuple[int, ...], after: Tuple[int, ...]
    ) -> Tuple[List[Layer], List[int]]:
        if node in self.layer:
            if self.repeated[node]:
                raise Untranslatable("its weights are used more than once")
            if node.target in self.tied:
                raise Untranslatable(f"its weights are tied to {self.tied[node.target]}")
            return [_weights(module, before)], [self.layer[node]]
        if isinstance(module, nn.Identity):
            return [], []
        if isinstance(module, nn.Flatten):
            return self.flattened(before, after), []
        if type(module) is nn.Dropout or type(module) is nn.AlphaDropout:
            if module.training and module.p > 0:
                if type(module) is nn.AlphaDropout:
                    raise Untranslatable("alpha dropout has no layer in a spec")
                return [{"dropout": float(module.p)}], []
            return [], []
        if isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
            return [_pool(isinstance(module, nn.MaxPool2d), vars(module))], []
        if isinstance(module, nn.AdaptiveAvgPool2d):
            if after[2:] == before[2:]:
                return [], []
            if after[2:] == (1, 1):
                return ["global_average_pool"], []
            raise Untranslatable(f"it averages {list(before[2:])} positions to {list(after[2:])}")
        return [_norm(module, before)], []


def _square(value: Any, what: str) -> int:
    values = value if isinstance(value, (tuple, list)) else (value,)
    if len(set(values)) != 1:
        raise Untranslatable(f"its {what} {tuple(values)} is not square")
    return int(values[0])


#: Options of the pooling functions, in their order after the padding.
_MAX_POOL = ("dilation", "ceil_mode", "return_indices")
_AVG_POOL = ("ceil_mode", "count_include_pad", "divisor_override")


def _pool(largest: bool, given: Dict[str, Any]) -> Layer:
    size = _square(given["kernel_size"], "window")
    stride = _square(given.get("stride") or size, "stride")
    padding = _square(given.get("padding", 0), "padding")
    if given.get("dilation", 1) not in (1, (1, 1)):
        raise Untranslatable("dilated pools have no layer in a spec")
    if given.get("ceil_mode"):
        raise Untranslatable("pools whose windows hang over the edge (ceil_mode) have no layer in a spec")
    counted = given.get("count_include_pad", True) and given.get("divisor_override") is None
    if not largest and padding and not counted:
        raise Untranslatable("means that leave out the padding have no layer in a spec")
    if given.get("return_indices"):
        raise Untranslatable("pools that return positions have no layer in a spec")
    layer = {"max_pool" if largest else "average_pool": size, "stride": stride}
    return {**layer, "padding": padding} if padding else layer


def _weights(module: nn.Module, before: Tuple[int, ...]) -> Layer:
    if isinstance(module, nn.Linear):
        if len(before) != 2:
            raise Untranslatable("it acts on every position or token: theory has no layer for that")
        return {"dense": module.out_features}
    if isinstance(module, nn.Conv2d):
        kernel = _square(module.kernel_size, "kernel")
        if set(module.dilation) != {1}:
            raise Untranslatable("dilated kernels have no layer in a spec")
        if module.padding_mode != "zeros":
            raise Untranslatable(f"padding by {module.padding_mode!r} has no layer in a spec")
        if isinstance(module.padding, str):
            same = module.padding == "same" and kernel % 2 == 1
            if module.padding != "valid" and not same:
                raise Untranslatable("its padding is not the same on all sides")
            padding = kernel // 2 if same else 0
        else:
            padding = _square(module.padding, "padding")
        return {
            "conv": module.out_channels,
            "kernel": kernel,
            "stride": _square(module.stride, "stride"),
            "padding": padding,
            "groups": module.groups,
        }
    raise Untranslatable("the vocabulary of specs has no such layer")


def _norm(module: nn.Module, before: Tuple[int, ...]) -> Layer:
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    if (weight is not None and bool((weight != 1).any())) or (bias is not None and bool((bias != 0).any())):
        raise Untranslatable("its gains are not 1 or its shifts not 0")
    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
        if not module.training and module.track_running_stats:
            raise Untranslatable("in evaluation mode it does not normalise by the batch")
        return "batch_norm"
    if isinstance(module, nn.LayerNorm):
        if len(before) != 2 or tuple(module.normalized_shape) != before[1:]:
            raise Untranslatable("it normalises every position on its own: theory has no layer for that")
        return "layer_norm"
    if isinstance(module, nn.GroupNorm):
        return {"group_norm": module.num_groups}
    if type(module).__name__ == "RMSNorm" and len(before) == 2:
        return "rms_norm"
    raise Untranslatable("the vocabulary of specs has no such layer")
