"""Mistakes are made, and made where functions are registered, and everything is as before afterwards."""

import ast
import functools
import gc
import importlib.util

from tests.mutation import mutants as m
from tests.mutation import survivors
from tests.mutation.rooms import gradient_rules

SOURCE = '''
import functools
TABLE = {}

def register(function):
    """Put a function into the table."""
    TABLE[function.__name__] = function
    return functools.wraps(function)(lambda *args: function(*args))

@register
def less(a: int, b: int = 1) -> bool:
    assert a != b + 7
    if a > 10:
        raise ValueError(f"{a + 1} is too much")
    return a < b

@functools.lru_cache
def twice(a):
    return 2 * a

squares = [lambda x: x * x, lambda x: x * x * 1]
'''


def everywhere(tree):
    return list(m.mutants(tree, lambda node: node is tree))


def loaded(tmp_path):
    path = tmp_path / "small.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("small", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tree = ast.parse(SOURCE)
    return module, path, tree, compile(tree, str(path), "exec", dont_inherit=True)


def test_each_mistake_is_one_small_change_and_is_taken_back():
    tree = ast.parse(SOURCE)
    before = ast.dump(tree)
    words = [str(mutant) for mutant in everywhere(tree)]
    assert ast.dump(tree) == before
    assert "15:12: a < b -> a <= b" in words
    assert "15:5: return a < b -> return None" in words
    assert "13:8: a > 10 -> a >= 10" in words
    assert "13:12: 10 -> 11" in words
    assert any(text.startswith("14:9: raise ValueError(") and text.endswith("-> pass") for text in words)
    assert not [text for text in words if "a + 1 ->" in text or "a != b" in text or "b + 7" in text], (
        "of a message, or of an assert"
    )


def test_a_mistake_is_put_into_a_function_wherever_it_is_registered_and_wrapped(tmp_path):
    module, path, tree, old = loaded(tmp_path)
    mutant = next(mutant for mutant in everywhere(tree) if str(mutant) == "15:12: a < b -> a <= b")
    pairs = m.differing(old, mutant.code(tree, path))
    assert [code.co_name for code, _ in pairs] == ["<module>", "less"]
    gc.freeze()  # as pytest_collection does
    m.put_into_functions(pairs)
    assert module.TABLE["less"](2, 2)
    assert module.less(2, 2)


def test_one_lambda_of_several_on_a_line_is_changed_and_what_was_cached_is_forgotten(tmp_path):
    module, path, tree, old = loaded(tmp_path)
    assert module.twice(3) == 6
    for text in ("21:39: x * x * 1 -> x * x / 1", "19:12: 2 * a -> 2 / a"):
        mutant = next(mutant for mutant in everywhere(tree) if str(mutant) == text)
        m.put_into_functions(m.differing(old, mutant.code(tree, path)))
    assert [type(square(3)) for square in module.squares] == [int, float]
    assert module.twice(4) == 0.5
    assert isinstance(module.twice, functools._lru_cache_wrapper)


def test_what_runs_while_a_file_is_loaded_is_told_from_what_runs_when_a_function_is_called(tmp_path):
    _, path, tree, old = loaded(tmp_path)
    inner = {str(mutant): m.differing(old, mutant.code(tree, path))[-1][0] for mutant in everywhere(tree)}
    assert not m.is_function(inner["11:27: 1 -> 2"])  # a default
    assert m.is_function(inner["19:12: 2 * a -> 2 / a"])


def test_gradient_rules_are_functions_of_a_cotangent_and_what_they_use():
    tree = ast.parse(
        "def _half(x): return x / 2\n"
        "def _sum_vjp(g: Tensor, out): return _half(g) + 1\n"
        "def _compute(g: Array): return g + 3\n"
        "op = Op(lambda x: x + 4, compute=lambda g: g + 5, vjp=lambda i, h, out: h + 6)\n"
    )
    words = [str(mutant) for mutant in m.mutants(tree, gradient_rules(tree))]
    changed = {text.split(": ", 1)[1].split(" -> ")[0] for text in words}
    assert {"x / 2", "_half(g) + 1", "h + 6"} <= changed
    assert not {"g + 3", "x + 4", "g + 5"} & changed


def test_the_list_of_survivors_keeps_its_reasons_as_lines_move():
    one = survivors.Survivor("core/a.py", 3, "f", "a | b -> a & b", "the same bits")
    two = survivors.Survivor("core/a.py", 9, "<module>", "1 -> 2")  # without a reason yet
    other = survivors.Survivor("core/b.py", 1, "g", "return x -> return None", "never called")
    rooms = {"core": [one, two, other]}
    assert survivors.read(survivors.written(rooms)) == rooms
    moved, new = one._replace(line=5, reason=""), two._replace(mistake="1 -> 3", reason="")
    assert survivors.merged(rooms["core"], [new, moved], {"core/a.py"}) == [one._replace(line=5), new, other]


def test_every_survivor_that_is_listed_has_a_reason():
    listed = survivors.read(survivors.PATH.read_text("utf-8"))
    assert listed
    assert [survivor for found in listed.values() for survivor in found if not survivor.reason] == []
