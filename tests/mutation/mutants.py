"""Small mistakes to put into a source text, one at a time, and how to put them into a program that is loaded.

Comparisons, arithmetic, boolean operators, numbers, conditions and returned values become others, the first two
arguments of a call change places, statements are left out. Annotations, messages and what only asserts (``assert``, the
``strict`` of zip) stay as they are.
"""

import ast
import copy
import functools
import gc
import inspect
import types
from typing import Any, NamedTuple

OTHER: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
LEFT_OUT = ast.Raise | ast.AugAssign | ast.Delete | ast.Break | ast.Continue


class Mutant(NamedTuple):
    """A mistake: ``put`` stands in place of ``old`` at ``parent.field``, or at ``parent.field[index]``."""

    parent: ast.AST
    field: str
    index: int | None
    old: Any
    put: Any

    def __str__(self):
        old, put = (" ".join(ast.unparse(node).split())[:70] for node in (self.old, self.put))
        return f"{self.old.lineno}:{self.old.col_offset + 1}: {old} -> {put}"

    def place(self, node):
        """Put a node there."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node

    def code(self, tree, path):
        """Compile the tree with this mistake in it."""
        self.place(self.put)
        try:
            return compile(ast.fix_missing_locations(tree), str(path), "exec", dont_inherit=True)
        finally:
            self.place(self.old)


def changed(node, **fields):
    """A copy of a node with other fields."""
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def variants(node):
    """What may stand in place of a node."""
    match node:
        case ast.Compare(ops=[op, *rest]) if type(op) in OTHER:
            yield changed(node, ops=[OTHER[type(op)](), *rest])
        case ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op) if type(op) in OTHER:
            yield changed(node, op=OTHER[type(op)]())
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield changed(node, value=not value)
        case ast.Constant(value=int(value) | float(value)):
            yield changed(node, value=value + 1)
        case ast.IfExp(body=body, orelse=orelse):
            yield changed(node, body=orelse, orelse=body)
        case ast.If(test=test) | ast.While(test=test) if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            yield changed(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield changed(node, value=ast.Constant(None))
        case ast.Lambda(body=ast.expr()):
            yield changed(node, body=ast.copy_location(ast.Constant(None), node.body))
        case ast.Call(args=[first, second, *rest]) if not isinstance(second, ast.Starred):
            yield changed(node, args=[second, first, *rest])
        case ast.Expr(value=ast.Call()) | ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.copy_location(ast.Pass(), node)
    if isinstance(node, LEFT_OUT):
        yield ast.copy_location(ast.Pass(), node)


def mutants(tree, wanted):
    """All mistakes in the nodes that are wanted, and in what is inside of them."""

    def walk(parent, inside):
        for field, value in ast.iter_fields(parent):
            if field in ("annotation", "returns", "format_spec", "msg") or (field == "exc"):
                continue
            nodes = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
            for index, node in nodes:
                if not isinstance(node, ast.AST) or isinstance(node, ast.Assert | ast.JoinedStr):
                    continue
                if isinstance(node, ast.keyword) and node.arg == "strict":
                    continue
                if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                    continue
                here = inside or wanted(node)
                for put in variants(node) if here else ():
                    if ast.dump(put) != ast.dump(node):
                        yield Mutant(parent, field, index, node, put)
                yield from walk(node, here)

    yield from walk(tree, wanted(tree))


def codes(code):
    """A code object and all within it, each with a name that is its own; outer ones come first."""
    found, seen = {}, {}

    def walk(code):
        key = code.co_qualname, code.co_firstlineno
        seen[key] = seen.get(key, 0) + 1
        found[(*key, seen[key])] = code
        for inner in code.co_consts:
            if isinstance(inner, types.CodeType):
                walk(inner)

    walk(code)
    return found


def differing(old, new):
    """The pairs of code objects that differ; the last one is the innermost, the function that has the mistake."""
    news = codes(new)
    return [(code, news[key]) for key, code in codes(old).items() if key in news and code != news[key]]


def is_function(code):
    """Whether code is that of a function, which runs when that is called, and not when a file is loaded."""
    return bool(code.co_flags & inspect.CO_OPTIMIZED)


def put_into_functions(pairs):
    """Replace the code of all functions there are, wherever they are registered, and forget what they have cached."""
    new = {id_of(old): code for old, code in pairs if is_function(old)}
    gc.unfreeze()  # what the tests have frozen is not among the objects
    objects = gc.get_objects()
    for cached in (thing for thing in objects if isinstance(thing, functools._lru_cache_wrapper)):
        if isinstance(cached.__wrapped__, types.FunctionType) and id_of(cached.__wrapped__.__code__) in new:
            cached.cache_clear()
    for function in (thing for thing in objects if isinstance(thing, types.FunctionType)):
        function.__code__ = new.get(id_of(function.__code__), function.__code__)


def id_of(code):
    """What tells a code object from others."""
    return code.co_filename, code
