"""The reference of the ops, written from their declarations when the site is built: a page for each family."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from pathlib import Path

import numpy as np
from pieces import find, parsed

import tinynet as tn
from tinynet.core.engine import Op
from tinynet.core.spec import Spec
from tinynet.fast import fusions
from tinynet.fast.implementation import implementation
from tinynet.ops.conv import geometry
from tinynet.ops.pointwise import Elementwise
from tinynet.optim.adam import adam
from tinynet.optim.clipping import sum_of_squares
from tinynet.optim.rmsprop import rmsprop, rmsprop_with_momentum
from tinynet.optim.sgd import momentum_step


def modules(package):
    """Return the modules of a package, in the order of their names."""
    return [importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__)]


FAMILIES = [
    *modules(tn.ops),
    *map(importlib.import_module, (f"tinynet.optim.{name}" for name in ("adam", "clipping", "rmsprop", "sgd"))),
    *modules(fusions),
]
OF_OPTIMIZERS = adam, momentum_step, rmsprop, rmsprop_with_momentum, sum_of_squares
OPS = {**tn.ops.declared(), **{op.name: op for op in fusions.STANDS_FOR}, **{op.name: op for op in OF_OPTIMIZERS}}
OUT = Path(__file__).parents[1] / "reference" / "ops"


def f4(*lengths):
    """Return the shape and dtype of a float32 array."""
    return Spec(lengths, np.dtype("f4"))


def whole(dtype, *lengths):
    """Return the shape and dtype of an array of whole numbers."""
    return Spec(lengths, np.dtype(dtype))


IMAGES, FILTERS, MAP = f4(32, 28, 28, 1), f4(3, 3, 1, 32), f4(32, 26, 26, 32)
CONV = geometry("conv2d", IMAGES.shape, (3, 3), (1, 1), "valid")
POOL = geometry("max_pool", MAP.shape, (2, 2), (2, 2), "valid")
POOLED, PLACES = f4(32, 13, 13, 32), whole("u1", 32, 13, 13, 32)
KEY, BETAS = (slice(None), slice(0, 2)), {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7}
RHO = {"rho": 0.9, "epsilon": 1e-8}
BOOLS, BYTES, STANDARDISED = (
    whole("?", 32, 10),
    whole("u1", 60_000, 784),
    {"shift": np.zeros(784), "scale": np.ones(784)},
)

# Arguments of each op that does not take numbers element by element, from the reference CNN where it has the op.
EXAMPLES = {
    "matmul": ((f4(32, 576), f4(576, 128)), {"trans_a": False, "trans_b": False}),
    "conv2d": ((IMAGES, FILTERS), {"p": CONV}),
    "conv2d_input_grad": ((MAP, FILTERS), {"p": CONV, "size": (28, 28)}),
    "conv2d_weight_grad": ((IMAGES, MAP), {"p": CONV}),
    "max_pool": ((MAP,), {"p": POOL}),
    "max_unpool": ((POOLED, PLACES), {"p": POOL, "size": (26, 26)}),
    "pool_gather": ((MAP, PLACES), {"p": POOL}),
    "softmax": ((f4(32, 10),), {}),
    "log_softmax": ((f4(32, 10),), {}),
    "weigh": ((f4(32, 10), f4(32, 10)), {}),
    "layer_norm": ((f4(32, 48, 64), f4(64), f4(64)), {"epsilon": 1e-5}),
    "layer_norm_gradient": ((f4(32, 48, 64), f4(64), f4(32, 48, 64), f4(32, 48, 1)), {}),
    "sum": ((f4(32, 10),), {"axes": (0,)}),
    "max": ((f4(32, 10),), {}),
    "min": ((f4(32, 10),), {}),
    "cumsum": ((f4(32, 10),), {"axis": 1, "backward": False}),
    "sum_pool": ((MAP,), {"p": POOL}),
    "sum_unpool": ((POOLED,), {"p": POOL, "size": (26, 26)}),
    "split": ((f4(32, 12),), {"axis": 1, "at": (4, 8)}),
    "broadcast_to": ((f4(10),), {"shape": (32, 10)}),
    "reshape": ((f4(32, 3, 3, 64),), {"shape": (32, 576)}),
    "transpose": ((f4(2, 3, 4),), {"axes": (0, 2, 1)}),
    "slice": ((f4(5, 4),), {"key": KEY}),
    "unslice": ((f4(5, 2),), {"key": KEY, "shape": (5, 4)}),
    "unslices": ((f4(5, 2), f4(5)), {"keys": (KEY, (slice(None), 3)), "shape": (5, 4)}),
    "index": ((whole("u1", 60_000, 28, 28), whole("i8", 32)), {"checked": False}),
    "index_add": ((f4(32, 10), whole("i8", 32)), {"shape": (100, 10)}),
    "places": ((whole("i8", 32),), {"shape": (60_000, 28, 28)}),
    "concatenate": ((f4(288), f4(32)), {"axis": 0}),
    "cast": ((whole("u1", 32, 784),), {"dtype": np.dtype("f4")}),
    "relu": ((f4(32, 128),), {}),
    "relu_gradient": ((f4(32, 128), f4(32, 128)), {}),
    "matmul_bias": (
        (f4(32, 576), f4(576, 128), f4(128)),
        {"trans_a": False, "trans_b": False, "rectified": True},
    ),
    "conv2d_bias": ((IMAGES, FILTERS, f4(32)), {"p": CONV, "rectified": True}),
    "conv_pool": ((IMAGES, FILTERS, f4(32)), {"p": CONV, "q": POOL}),
    "conv_pool_weight_grad": ((IMAGES, POOLED, PLACES), {"p": CONV, "q": POOL}),
    "conv_pool_input_grad": ((POOLED, FILTERS, PLACES), {"p": CONV, "q": POOL, "shape": IMAGES.shape}),
    "gather": ((whole("u1", 60_000, 28, 28), whole("i8", 32), f4(), f4()), {"sample": (28, 28, 1)}),
    "descend": ((f4(93_962), f4(93_962), f4()), {}),
    "all_finite": ((f4(93_962),), {}),
    "random_uniform": ((whole("u8", 5),), {"shape": (32, 128), "dtype": np.dtype("f4")}),
    "random_normal": ((whole("u8", 5),), {"shape": (32, 128), "dtype": np.dtype("f4")}),
    "gradient": ((f4(), f4(128), f4()), {"outputs": 1, "inputs": 1}),
    "warp": ((IMAGES, f4(32, 2, 3)), {}),
    "unwarp": ((IMAGES, f4(32, 2, 3)), {}),
    "momentum_step": ((*3 * (f4(93_962),), f4(), f4()), {"nesterov": False}),
    "momentum_step_in_place": ((*3 * (f4(93_962),), f4(), f4()), {"nesterov": False}),
    "adam": ((*3 * (f4(93_962),), whole("i8"), f4(93_962), f4()), BETAS),
    "adam_in_place": ((*3 * (f4(93_962),), whole("i8"), f4(93_962), f4()), BETAS),
    "rmsprop": ((*3 * (f4(93_962),), f4()), RHO),
    "rmsprop_in_place": ((*3 * (f4(93_962),), f4()), RHO),
    "rmsprop_with_momentum": ((*4 * (f4(93_962),), f4(), f4()), RHO),
    "rmsprop_with_momentum_in_place": ((*4 * (f4(93_962),), f4(), f4()), RHO),
    "sum_of_squares": ((f4(93_962),), {}),
    "standardised_matvec": ((BYTES, f4(784)), STANDARDISED),
    "standardised_rmatvec": ((BYTES, f4(60_000)), STANDARDISED),
    "softmax_cross_entropy": ((f4(32, 10), whole("i8", 32)), {}),
    "where": ((BOOLS, f4(10), f4(32, 10)), {}),
    "logical_and": ((BOOLS, whole("?", 10)), {}),
    "logical_or": ((BOOLS, whole("?", 10)), {}),
    "logical_not": ((BOOLS,), {}),
}
OPERANDS = (f4(32, 10), f4(10))  # of the other elementwise ops


def declarations(module):
    """Return the ops that a module declares, alone or in a dict, each with its variable, in their order."""
    names = [
        target.id
        for node in ast.parse(inspect.getsource(module)).body
        for target in ([node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", []))
        if isinstance(target, ast.Name)
    ]
    found = [(name, op) for name in names for op in listed(vars(module)[name])]
    return [(name, op) for name, op in found if isinstance(op, Op)]


def listed(value):
    """Return the values of a dict, or a value that is none."""
    return list(value.values()) if isinstance(value, dict) else [value]


def call_of(module, name):
    """Return the text of the file of a declaration, and the call that makes it."""
    path, node = find(f"{module.__name__}.{name}")
    made = node.value.value if isinstance(node.value, ast.DictComp) else node.value  # of a dict: each of its ops
    return parsed(path)[0], made


def rules(text, call):
    """Return the source of the gradient rules of a declaration."""
    keyword = next((k.value for k in call.keywords if k.arg == "vjp"), None)
    if keyword is not None:
        found = keyword.elts if isinstance(keyword, ast.Tuple) else [keyword]
    else:  # an elementwise op: its name, what computes it, its rules
        found = call.args[2:] if call.func.id in ("elementwise", "unary") else []
    return [textwrap.dedent(ast.get_source_segment(text, rule)) for rule in found], found


def arguments(op, found):
    """Return the names of the inputs of an op, from its rules or its infer."""
    lambdas = [rule for rule in found if isinstance(rule, ast.Lambda) and isinstance(op.vjp, tuple)]
    if lambdas:
        return [a.arg for a in lambdas[0].args.args[2:]]
    if isinstance(op, Elementwise):
        return ["x", "y"][: len(op.vjp)]
    parameters = inspect.signature(op.infer).parameters.values()
    if {p.kind for p in parameters} <= {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
        parameters = inspect.signature(op.compute).parameters.values()
    return [("*" if p.kind is p.VAR_POSITIONAL else "") + p.name for p in parameters]


def shapes(op, inputs):
    """Work out the shape of the outputs for an example, by the op's own rule."""
    if op.name in EXAMPLES:
        specs, attrs = EXAMPLES[op.name]
    elif isinstance(op, Elementwise):
        count = len([name for name in inputs if not name.startswith("*")])
        specs, attrs = OPERANDS[:count], {}
    else:
        raise LookupError(f"op {op.name!r} has no example of its shapes in {__file__}")
    made = op.infer(*specs, **attrs)
    made = made if type(made) is tuple else (made,)
    return ", ".join(map(spec, specs)), ", ".join(map(spec, made))


def spec(value):
    """Write a shape and a dtype."""
    return f"{tuple(value.shape)} {np.dtype(value.dtype).name}"


def fused_by(name):
    """Return the fused ops that stand for an op among others; a bias is added by add."""
    stands = {"bias": "add"}
    parts = {op.name: [stands.get(part, part) for part in of.split(" + ")] for op, of in fusions.STANDS_FOR.items()}
    return [other for other, of in parts.items() if name in of]


def meaning_of(module, call):
    """Return the name of the function that says what an op means, if it is one of its module."""
    keyword = next((k.value for k in call.keywords if k.arg == "compute"), None)
    means = keyword if keyword is not None else call.args[1]
    is_function = isinstance(means, ast.Name) and inspect.isfunction(vars(module).get(means.id))
    return f"{module.__name__}.{means.id}" if is_function else None


def entry(module, variable, op):
    """Write the reference of one op."""
    text, call = call_of(module, variable)
    sources, found = rules(text, call)
    inputs = arguments(op, found)
    took, gave = shapes(op, inputs)
    count = len(EXAMPLES[op.name][0]) if op.name in EXAMPLES else len(inputs)
    inputs, attributes = (inputs[:1], []) if inputs[0].startswith("*") else (inputs[:count], inputs[count:])
    lines = [f".. _op-{op.name}:", "", op.name, "-" * len(op.name), ""]
    is_public = getattr(tn.ops, op.name, None) is op
    if is_public:
        lines += [f".. py:function:: tinynet.ops.{op.name}({', '.join(inputs)})", ""]
        indent = "   "
    else:
        indent = ""
    kind = "View of its input, no copy. " if op.view else ""
    if implementation(op).inplace:
        kind = "Plans let it overwrite its first input. "
    body = [f"``{op.formula}``", ""]
    if kind:
        body += [kind, ""]
    if op in fusions.STANDS_FOR:
        parts = fusions.STANDS_FOR[op].split(" + ")
        body += ["Stands for " + " + ".join(f"``{part}``" for part in parts) + ".", ""]
    body += [":Inputs: " + ", ".join(f"``{name}``" for name in inputs)]
    if attributes:
        body += [":Attributes: " + ", ".join(f"``{name}``" for name in attributes)]
    body += [f":Shapes: ``{took}`` to ``{gave}``"]
    if op.source:
        body += [f":From: {op.source}"]
    others = fused_by(op.name)
    if others:
        body += [":Fused by: " + ", ".join(f":ref:`{other} <op-{other}>`" for other in others)]
    body += [""]
    if sources:
        body += ["Gradient, for each input:", "", ".. code-block:: python", ""]
        body += textwrap.indent(",\n".join(sources), "   ").splitlines()
    else:
        body += ["It has no gradient rule."]
    body += ["", "Declared as", "", f".. source:: {module.__name__}.{variable}", ""]
    means = meaning_of(module, call)
    if means:
        body += ["It means", "", f".. source:: {means}", ""]
    return lines + [indent + line if line else "" for line in body]


def public_functions(module):
    """Return the names of the public functions of a family that are no ops."""
    found = {name: getattr(tn.ops, name) for name in tn.ops.__all__}
    return [name for name, f in found.items() if not isinstance(f, Op) and f.__module__ == module.__name__]


def page(module):
    """Write the page of a family: its title is what its file says of itself, up to the first colon or stop."""
    first, _, rest = inspect.getdoc(module).partition("\n")
    title, *more = re.split(r"[:.] ", first.rstrip("."), maxsplit=1)
    text = "".join(f"{words[:1].upper()}{words[1:]}." for words in more)
    lines = [
        title,
        "=" * len(title),
        "",
        f"In ``{module.__name__}``. {text}",
        "",
        rest.strip(),
        "",
    ]
    functions, ops = public_functions(module), declarations(module)
    if functions:
        words = "They bring their arguments into the form that the ops take." if ops else "They are made of other ops."
        lines += ["Functions", "~~~~~~~~~", "", words, ""]
        lines += [line for name in functions for line in (f".. autofunction:: tinynet.ops.{name}", "")]
    if functions and ops:
        lines += ["Ops", "~~~", ""]
    for variable, op in ops:
        lines += entry(module, variable, op)
    return "\n".join(lines)


def place(module):
    """Return the file of the page of a family."""
    package, name = module.__name__.split(".")[-2:]
    return OUT / (f"{name}.rst" if package == "ops" else f"{package}-{name}.rst")


def write(app):
    """Write a page for each family, leave those alone that are as they were, and remove those of no family."""
    OUT.mkdir(parents=True, exist_ok=True)
    pages = {place(module): page(module) for module in FAMILIES if declarations(module) or public_functions(module)}
    for path, text in pages.items():
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
    for path in set(OUT.glob("*.rst")) - set(pages):
        path.unlink()


def setup(app):
    """Write the pages before anything is read."""
    there = {op.name for module in FAMILIES for _, op in declarations(module)}
    missing = set(OPS) - there
    if missing:
        raise LookupError(f"these ops are on no page of the reference: {sorted(missing)}")
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
