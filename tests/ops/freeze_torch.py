"""Compare ops with PyTorch's on the inputs that PyTorch tests its own ops with, and write some of these down.

Run as ``python -m tests.ops.freeze_torch`` where the extra ``bench`` is installed. It takes the sample inputs of
PyTorch's `OpInfo` for each op that both have, compares values and gradients in float64, and prints a table; it fails if
one differs. With ``--write`` it then writes small samples to `torch_samples.npz`, for tests that run without PyTorch.
"""

import json
import re
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db

from tests.ops.torch_calls import compare, cotangent
from tinynet.errors import TinynetError

PLACE = Path(__file__).with_name("torch_samples.npz")
MOST = 300  # samples of an op that are compared
KEPT, KEPT_NUMBERS = 12, 1500  # samples of an op that are written down, and the numbers in them

Tensor = torch.Tensor


def same(call, **fixed):
    """Return what makes a call of a sample whose arguments are tensors and numbers, in the same order."""

    def make(s, op):
        if s.kwargs and any(v not in (None, 1) for v in s.kwargs.values()):
            return None
        return call, [s.input, *s.args], fixed, lambda *xs: op(*xs)

    return make


def reduction(call, **options):
    """Return what makes a call of a sample that is reduced over axes."""

    def make(s, op):
        kwargs = dict(s.kwargs)
        dim = s.args[0] if s.args else kwargs.get("dim")
        if "dtype" in kwargs or kwargs.get("mask") is not None or len(s.args) > 1:
            return None
        dim = None if dim == [] or dim == () else dim
        attrs = {"axis": dim, "keepdims": bool(kwargs.get("keepdim", False))}
        if s.input.ndim == 0 and dim is not None:
            return None  # there is no axis 0 of a number
        if options:  # of variances: those of tinynet divide by the number of values
            given = {"keepdim": attrs["keepdims"]} | ({} if dim is None else {"dim": dim})
            return call, [s.input], attrs, lambda x: op(x, **given, **options)
        return call, [s.input], attrs, lambda x: op(x, *s.args, **kwargs)

    return make


def along(call):
    """Return what makes a call of a sample that has an axis and nothing else."""

    def make(s, op):
        axis = s.args[0] if s.args else s.kwargs.get("dim")
        if axis is None or s.input.ndim == 0 or set(s.kwargs) - {"dim"}:
            return None
        return call, [s.input], {"axis": axis}, lambda x: op(x, axis)

    return make


def joined(call):
    def make(s, op):
        axis = s.args[0] if s.args else s.kwargs.get("dim", 0)
        if len({x.ndim for x in s.input}) > 1:
            return None  # PyTorch skips empty vectors
        return call, list(s.input), {"axis": axis}, lambda *xs: op(list(xs), axis)

    return make


def shaped(call):
    def make(s, op):
        shape = s.args[0] if len(s.args) == 1 and not isinstance(s.args[0], int) else s.args
        if any(not isinstance(n, int) for n in shape) or (call != "reshape" and -1 in shape):
            return None
        return call, [s.input], {"shape": list(shape)}, lambda x: op(x, *s.args)

    return make


def moved(s, op):
    axes = list(range(s.input.ndim))
    if len(s.args) == 1:
        axes = list(s.args[0])
    elif not s.args:
        axes.reverse()
    elif axes:
        i, j = s.args
        axes[i], axes[j] = axes[j], axes[i]
    return "transpose", [s.input], {"axes": axes}, lambda x: op(x, *s.args)


def split(s, op):
    parts, dim = s.args[0], (s.args[1] if len(s.args) > 1 else 0)
    n = s.input.shape[dim]
    sizes = [parts] * (n // parts) + [n % parts] * bool(n % parts) if isinstance(parts, int) else list(parts)
    return "split", [s.input], {"parts": np.cumsum(sizes)[:-1].tolist(), "axis": dim}, lambda x: op(x, *s.args)


def unbind(s, op):
    return "unstack", [s.input], {"axis": s.args[0] if s.args else 0}, lambda x: op(x, *s.args)


def getitem(s, op):
    key = s.args[0] if isinstance(s.args[0], list | tuple) else (s.args[0],)

    def written(part):
        if isinstance(part, slice):
            return {"slice": [part.start, part.stop, part.step]}
        if isinstance(part, Tensor):
            return None if part.dtype == torch.bool else {"array": part.tolist()}
        return {"ellipsis": 1} if part is ... else part

    found = [written(part) for part in key]
    if any(f is None and part is not None for f, part in zip(found, key, strict=True)):
        return None
    return "getitem", [s.input], {"key": found}, lambda x: x[tuple(key)]


def select(s, op):
    axis, index = s.args
    if axis not in (0, -s.input.ndim) or not s.input.ndim:
        return None
    return "getitem", [s.input], {"key": [{"array": index.tolist()}]}, lambda x: op(x, axis, index)


def repeat(s, op):
    repeats = s.kwargs["repeats"]
    count = repeats.tolist() if isinstance(repeats, Tensor) else repeats
    if not s.input.ndim:
        return None
    return "repeat", [s.input], {"repeats": count, "axis": s.kwargs.get("dim")}, lambda x: op(x, **s.kwargs)


def where(s, op):  # the condition is the first of its arguments
    return "where", [s.args[0], s.input, s.args[1]], {}, lambda c, x, y: torch.where(c, x, y)


def clip(s, op):
    bounds = [*s.args, *[s.kwargs.get(name) for name in ("min", "max")][len(s.args) :]]
    given = [b for b in bounds if b is not None]
    if not given or any(isinstance(b, Tensor) and not b.is_floating_point() for b in bounds):
        return None
    if len(given) == 2:
        return "clip", [s.input, *given], {}, lambda x, low, high: torch.clamp(x, low, high)
    name = "maximum" if bounds[0] is not None else "minimum"
    return name, [s.input, torch.as_tensor(given[0])], {}, getattr(torch, name)


def pad(s, op):
    flat, value = list(s.args[0]), s.args[2] if len(s.args) > 2 else 0.0
    if min(flat) < 0:
        return None
    pairs = [[flat[i], flat[i + 1]] for i in range(0, len(flat), 2)][::-1]
    widths = [[0, 0]] * (s.input.ndim - len(pairs)) + pairs
    return "pad", [s.input], {"widths": widths, "value": value}, lambda x: op(x, *s.args)


def einsum(s, op):
    return "einsum", list(s.input), {"subscripts": s.args[0]}, lambda *xs: torch.einsum(s.args[0], *xs)


def keyword(call, name, ours, default):
    def make(s, op):
        value = s.kwargs.get(name, s.args[0] if s.args else default)
        if s.kwargs.get("inplace"):
            return None
        value = value == "tanh" if name == "approximate" else value
        return call, [s.input], {ours: value}, lambda x: op(x, *s.args, **s.kwargs)

    return make


def linear(s, op):
    return "linear", [s.input, *[x for x in s.args if x is not None]], {}, op


def pair(n):
    return [n, n] if isinstance(n, int) else list(n) * (2 if len(n) == 1 else 1)


def conv2d(s, op):
    options = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1} | s.kwargs
    padding = options["padding"]
    if options["groups"] != 1 or pair(options["dilation"]) != [1, 1] or s.input.ndim != 4 or padding == "same":
        return None
    w, b = (*s.args, None)[:2]
    ph, pw = [0, 0] if padding == "valid" else pair(padding)
    attrs = {"stride": pair(options["stride"]), "edges": [[0, 0], [ph, ph], [pw, pw], [0, 0]]}
    inputs = [s.input.permute(0, 2, 3, 1), w.permute(2, 3, 1, 0), *([] if b is None else [b])]

    def run(x, w, b=None):
        return op(x.permute(0, 3, 1, 2).contiguous(), w.permute(3, 2, 0, 1).contiguous(), b, **s.kwargs).permute(
            0, 2, 3, 1
        )

    return "conv2d", inputs, attrs, run


def conv2d_transpose(s, op):
    options = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1} | s.kwargs
    plain = [pair(options[name]) for name in ("padding", "output_padding", "dilation")] == [[0, 0], [0, 0], [1, 1]]
    w, b = (*s.args, None)[:2]
    if not plain or options["groups"] != 1 or s.input.ndim != 4 or b is not None:
        return None
    inputs = [s.input.permute(0, 2, 3, 1), w.permute(2, 3, 1, 0)]

    def run(x, w):
        return op(x.permute(0, 3, 1, 2).contiguous(), w.permute(3, 2, 0, 1).contiguous(), **s.kwargs).permute(
            0, 2, 3, 1
        )

    return "conv2d_transpose", inputs, {"stride": pair(options["stride"])}, run


def pooling(call):
    names = ["kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"]

    def make(s, op):
        given = dict(zip(names, s.args, strict=False)) | s.kwargs
        plain = given.get("padding", 0) in (0, [0], [0, 0], (0, 0)) and not given.get("ceil_mode")
        others = (
            given.get("divisor_override"),
            given.get("return_indices"),
            pair(given.get("dilation", 1)) != [1, 1],
        )
        if not plain or any(others) or s.input.ndim != 4:
            return None
        size = pair(given["kernel_size"])
        attrs = {"size": size, "stride": pair(given.get("stride") or size)}
        function = torch.nn.functional.max_pool2d if call == "max_pool" else torch.nn.functional.avg_pool2d

        def run(x):
            return function(x.permute(0, 3, 1, 2).contiguous(), size, attrs["stride"]).permute(0, 2, 3, 1)

        return call, [s.input.permute(0, 2, 3, 1)], attrs, run

    return make


def loss(call, *ours):
    def make(s, op):
        options = {"reduction": "mean"} | s.kwargs
        if set(options) - {"reduction", *ours} or s.input.shape != s.args[0].shape:
            return None
        return call, [s.input, s.args[0]], options, lambda x, y: op(x, y, **s.kwargs)

    return make


def binary(s, op):
    options = {"reduction": "mean"} | s.kwargs
    if set(options) - {"reduction"}:
        return None
    return "binary_cross_entropy", [s.input, s.args[0].detach()], options, lambda x, y: op(x, y, **options)


def cross_entropy(s, op):
    options = {"reduction": "mean"} | s.kwargs
    if set(options) - {"reduction", "label_smoothing"} or s.input.ndim < 2:
        return None
    labels, whole = s.args[0].detach(), s.args[0].ndim == s.input.ndim
    if whole and options["reduction"] != "none" and s.input.ndim > 2:
        return None  # PyTorch divides by the samples, tinynet by the labels
    if whole:
        labels = torch.softmax(labels, 1)  # tinynet takes probabilities only

    def run(x, y):
        theirs = y.movedim(-1, 1) if whole else y
        return torch.nn.functional.cross_entropy(x.movedim(-1, 1), theirs, **options)

    return "cross_entropy", [s.input.movedim(1, -1), labels.movedim(1, -1) if whole else labels], options, run


def embedding(s, op):
    if s.kwargs.get("max_norm") is not None or s.kwargs.get("padding_idx") is not None:
        return None
    attrs = {"key": [{"array": s.args[0].tolist()}]}
    return "getitem", [s.input], attrs, lambda w: op(w, s.args[0])


def softplus(s, op):
    return "softplus", [s.input], {}, torch.nn.functional.softplus


def power(s, op):
    exponent = s.args[0]
    if isinstance(exponent, complex):
        return None
    return "power", [s.input, torch.as_tensor(exponent, dtype=torch.float64)], {}, torch.pow


NAMES = ["abs", "exp", "expm1", "log", "sin", "cos", "tanh", "sqrt", "erf", "sigmoid", "sign", "maximum", "minimum",
         "logaddexp"]  # fmt: skip
RULES = {
    **{name: same(name) for name in NAMES},
    **{name: same(name) for name in ("logical_and", "logical_or", "logical_not")},
    "neg": same("negative"), "nn.functional.relu": same("relu"), "nn.functional.silu": same("silu"),
    "add": same("add"), "sub": same("subtract"), "mul": same("multiply"), "div|no_rounding_mode": same("divide"),
    "true_divide": same("divide"), "max|binary": same("maximum"), "min|binary": same("minimum"),
    "eq": same("equal"), "ne": same("not_equal"), "lt": same("less"), "le": same("less_equal"), "gt": same("greater"),
    "ge": same("greater_equal"), "pow": power, "__radd__": same("add to"), "__rsub__": same("subtract from"),
    "__rmul__": same("multiply by"), "__rdiv__": same("divide into"), "__rpow__": same("negative power"),
    "__rmatmul__": same("matmul behind"), "rsub": same("subtract from"), "matmul": same("matmul"), "mm": same("matmul"),
    "bmm": same("matmul"), "mv": same("matmul"), "dot": same("matmul"),
    "sum": reduction("sum"), "mean": reduction("mean"), "prod": reduction("prod"), "amax": reduction("max"),
    "amin": reduction("min"), "argmax": reduction("argmax"), "argmin": reduction("argmin"),
    "var": reduction("var", correction=0), "std": reduction("std", correction=0), "cumsum": along("cumsum"),
    "softmax": along("softmax"), "log_softmax": along("log_softmax"), "cat": joined("concatenate"),
    "stack": joined("stack"), "reshape": shaped("reshape"), "view": shaped("reshape"),
    "unflatten": lambda s, op: None, "broadcast_to": shaped("broadcast_to"), "expand": shaped("broadcast_to"),
    "sum_to_size": shaped("sum_to"), "permute": moved, "transpose": moved, "t": moved, "split": split,
    "split|list_args": split, "split_with_sizes": split, "unbind": unbind, "__getitem__": getitem,
    "index_select": select, "repeat_interleave": repeat, "where": where, "clamp": clip, "clamp_min": clip,
    "clamp_max": clip, "nn.functional.pad|constant": pad, "einsum": einsum, "nn.functional.linear": linear,
    "nn.functional.elu": keyword("elu", "alpha", "alpha", 1.0),
    "nn.functional.leaky_relu": keyword("leaky_relu", "negative_slope", "negative_slope", 0.01),
    "nn.functional.gelu": keyword("gelu", "approximate", "approximate", "none"),
    "nn.functional.softplus": softplus, "nn.functional.conv2d": conv2d,
    "nn.functional.conv_transpose2d": conv2d_transpose, "nn.functional.avg_pool2d": pooling("avg_pool"),
    "nn.functional.max_pool2d": pooling("max_pool"), "nn.functional.huber_loss": loss("huber", "delta"),
    "nn.functional.mse_loss": loss("mean_squared_error"), "nn.functional.l1_loss": loss("mean_absolute_error"),
    "nn.functional.cross_entropy": cross_entropy, "nn.functional.binary_cross_entropy_with_logits": binary,
    "nn.functional.embedding": embedding,
}  # fmt: skip
del RULES["unflatten"]


def sample_of(call, inputs, attrs, run):
    """Return a sample: the arguments of a call, and what PyTorch makes of them."""
    leaves = []
    for x in inputs:
        x = torch.as_tensor(x).detach().contiguous()
        x = x.double() if x.is_floating_point() else x
        leaves.append(x.requires_grad_(x.is_floating_point()))
    made = run(*leaves)
    outputs = list(made) if isinstance(made, list | tuple) else [made]
    floating = [x for x in leaves if x.requires_grad]
    flowing = [y for y in outputs if y.requires_grad]
    gradients = []
    if flowing and floating:
        seeds = [torch.tensor(cotangent(tuple(y.shape))) for y in flowing]
        found = torch.autograd.grad(flowing, floating, seeds, allow_unused=True)
        gradients = [torch.zeros_like(x) if g is None else g for x, g in zip(floating, found, strict=True)]
    return {
        "call": call, "attrs": attrs, "inputs": [x.detach().numpy() for x in leaves],
        "outputs": [y.detach().numpy() for y in outputs], "gradients": [g.numpy() for g in gradients],
    }  # fmt: skip


def samples(info, rule):
    """Yield the samples of an op that tinynet can take."""
    dtype = torch.bool if info.name.startswith("logical") else torch.float64
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        given = list(info.sample_inputs("cpu", dtype, requires_grad=dtype is torch.float64 and info.supports_autograd))
        for s in given[:MOST]:
            made = rule(s, info.op)
            if made is not None:
                yield sample_of(*made)


def numbers_in(sample):
    return sum(x.size for part in ("inputs", "outputs", "gradients") for x in sample[part])


def chosen(found):
    """Return those of some samples that are written down: small ones, of as many kinds as possible."""
    kept, kinds, numbers = [], set(), 0
    for sample in found:
        kind = json.dumps([[x.shape for x in sample["inputs"]], sample["attrs"]], default=str)
        if kind not in kinds and len(kept) < KEPT and numbers + numbers_in(sample) <= KEPT_NUMBERS:
            kinds.add(kind)
            kept.append(sample)
            numbers += numbers_in(sample)
    return kept


def written(kept):
    """Return samples as arrays of a file: numbers in one array, the rest as text."""
    numbers, texts = [], []
    for name, sample in kept:
        shapes = {part: [[x.dtype.str, *x.shape] for x in sample[part]] for part in ("inputs", "outputs", "gradients")}
        texts.append({"name": name, "call": sample["call"], "attrs": sample["attrs"], **shapes})
        numbers += [x.astype(float).ravel() for part in shapes for x in sample[part]]
    return {"text": np.frombuffer(json.dumps(texts).encode(), np.uint8), "numbers": np.concatenate(numbers)}


def main():
    """Compare all, print a table, and write if asked."""
    kept, wrong, same_as, refused, ops = [], 0, 0, Counter(), 0
    infos = {f"{i.name}|{i.variant_test_name}" if i.variant_test_name else i.name: i for i in op_db}
    print(f"{'op of PyTorch':48} {'samples':>8} {'agree':>6} {'refused':>8}")
    for name, rule in RULES.items():
        good, count, told = [], 0, 0
        for sample in samples(infos[name], rule):
            count += 1
            try:
                compare(sample)
            except TinynetError as error:
                told += 1
                refused[re.sub(r"\d+", "n", f"{name}: {error}")[:150]] += 1
                continue
            except Exception as error:
                wrong += 1
                shapes = [x.shape for x in sample["inputs"]]
                print(f"  {name} {sample['call']} {shapes} {sample['attrs']}: {type(error).__name__} {error}"[:700])
                continue
            good.append(sample)
        print(f"{name:48} {count:8} {len(good):6} {told:8}")
        same_as, ops = same_as + len(good), ops + bool(good)
        kept += [(name, sample) for sample in chosen(good)]
    for told, times in refused.items():
        print(f"refused {times} times: {told}")
    print(
        f"{same_as} samples of {ops} ops agree, {sum(refused.values())} are refused, {wrong} differ; {len(kept)} kept"
    )
    if "--write" in sys.argv and not wrong:
        np.savez_compressed(PLACE, **written(kept))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
