"""The rooms whose tests are tested, each with the tests that mirror it."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
NOT_RULES = ("compute", "infer", "dtype")


def everything(tree):
    """All of a file is wanted."""
    return lambda node: node is tree


def gradient_rules(tree):
    """What is a gradient rule: a function or lambda whose first parameter, or second after ``i``, is the cotangent.

    The private functions and classes of the same file that such a rule uses are part of it.
    """
    skipped = {id(part) for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg in NOT_RULES
               for part in ast.walk(node.value)}  # fmt: skip
    defined = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    computing = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) in skipped}
    rules = [node for node in ast.walk(tree) if is_rule(node) and id(node) not in skipped]
    rules = [rule for rule in rules if getattr(rule, "name", "") not in computing]
    for rule in rules:  # which grows
        names = {n.id for n in ast.walk(rule) if isinstance(n, ast.Name) and n.id.startswith("_")}
        rules += [defined[name] for name in names if name in defined and defined[name] not in rules]
    found = {id(rule) for rule in rules}
    return lambda node: id(node) in found


def is_rule(node):
    """Whether a node is a function of a cotangent."""
    if not isinstance(node, ast.FunctionDef | ast.Lambda):
        return False
    names = [a.arg for a in node.args.args if a.arg not in ("i", "rule")][:1]
    annotations = [ast.unparse(a.annotation) for a in node.args.args if a.annotation]
    return names in (["g"], ["h"]) and "Array" not in annotations and "Value" not in annotations


class Room(NamedTuple):
    """Files to put mistakes into, the tests that should find them, and which parts of the files are meant."""

    files: tuple[str, ...]
    tests: tuple[str, ...]
    wanted: Callable = everything
    by_meaning: bool = False  # ops are computed by what they mean: for what does not touch the engine room
    of_loading: tuple[str, ...] = ()  # the tests for what runs while a file is loaded; all without

    def paths(self):
        return sorted({path for pattern in self.files for path in (ROOT / "tinynet").glob(pattern)})


ROOMS = {
    "core": Room(
        ("core/*.py",),
        ("tests/core", "tests/ops/test_methods.py", "tests/ops/test_meaning.py", "tests/test_wrong_arguments.py",
         "tests/test_compiled.py", "tests/optim/test_minimize.py", "tests/train/test_micro_batches.py", "tinynet/core"),
        of_loading=("tests/core",),
    ),
    "gradient rules": Room(
        ("ops/*.py",),
        ("tests/ops/test_op_gradients.py", "tests/ops/test_op_special.py", "tests/ops/test_slices.py",
         "tests/ops/test_like_torch.py", "tests/ops/test_loss.py", "tests/nn/test_second_derivatives.py",
         "tests/core/test_engine.py", "tests/core/test_higher.py"),
        gradient_rules, by_meaning=True,
    ),
    "optim": Room(("optim/*.py",), ("tests/optim", "tests/core/test_transaction.py", "tinynet/optim"), by_meaning=True),
    "metrics": Room(
        ("train/metrics/*.py",),
        ("tests/train/test_metrics.py", "tests/train/test_metrics_of_sets.py", "tests/train/test_chosen_metrics.py",
         "tests/train/test_metric_curves.py", "tests/train/test_regression.py", "tinynet/train/metrics"),
        by_meaning=True,
    ),
    "saving": Room(
        ("saving/*.py",),
        ("tests/saving", "tests/test_model.py", "tests/nn/test_trainable.py", "tests/nn/test_replaced.py",
         "tinynet/saving"),
        by_meaning=True,
        of_loading=("tests/saving/test_apart.py", "tests/saving/test_description.py", "tests/saving/test_files.py",
                    "tests/saving/test_form.py", "tests/saving/test_model_files.py", "tests/saving/test_places.py",
                    "tests/saving/test_settings.py"),
    ),
}  # fmt: skip
