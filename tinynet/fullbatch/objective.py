"""Objectives: the loss of a model over a whole set, as a function of the vector of its parameters."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from tinynet import ops
from tinynet.checks import check_count, check_numbers, check_positive
from tinynet.core.engine import Node, Tensor, ancestors, as_tensor, can_compile, current_backend, differentiate, filled
from tinynet.core.managed import managed
from tinynet.core.mode import no_grad, recording, tracing
from tinynet.core.spec import Array, Spec
from tinynet.errors import ArgumentError, DataError, ShapeError, TraceError
from tinynet.nn.layer import nested
from tinynet.nn.network import Network
from tinynet.ops.join import flat
from tinynet.ops.loss import Loss, scalar_loss
from tinynet.train.evaluating import slices_of
from tinynet.train.nests import leaves
from tinynet.train.samples import split_samples
from tinynet.train.task import Task, find_task
from tinynet.train.weighing import WeightedTask
from tinynet.train.weights import with_weights

if TYPE_CHECKING:
    from tinynet.fast.plan import Plan

Vector = npt.NDArray[np.float64]
Given = Mapping[str, Any]
Line = Callable[[float], float]

_MOST_BYTES = 64 * 2**20  # the most intermediate values of a batch, by the graph of its loss
_EAGER_BATCH = 256
_ENDS = ("start", "slope")  # of a line


class Objective:
    """The mean loss of a model over a set, plus (l2 / 2) |theta|^2, as a function of theta.

    It sums over fixed batches in their order, in float64, and does not change the parameters of the model.

    Parameters
    ----------
    model : Model
        Any model; its parameters are only read.
    x : array_like
        Samples (n, ...), as in `fit`, also for several inputs. If one batch holds all of them, they are read in place.
        Samples and labels must not be changed while the objective is in use.
    y : array_like
        Labels, as the loss takes them.
    loss : {"cross_entropy", "binary_cross_entropy", "mse", "mae", "huber"} or callable
        A function of (output, labels), made of ops, that returns the mean over a batch as one number, or numbers for
        each sample.
    l2 : float
        The factor of the penalty on all parameters, 0 or more.
    batch_size : int, optional
        The number of samples computed at a time; by default as many as need 64 MiB for intermediate values.
    compiled : bool
        Trace once and replay. Otherwise each op is computed when it is called, on the model's own parameters.
    sample_weight, class_weight
        As in `fit`: the mean loss is then (sum of w l) / (sum of w) over the whole set.
    micro_batches : int
        The number of parts into which the samples are cut; the sums over the parts are added along a binary tree.
    world : World, optional
        The processes that compute the parts, each a block of them; see `tinynet.distributed.world`. All must make the
        same objective, and call the same methods at the same points. The results have the bits of one process.

    Raises
    ------
    ArgumentError, ShapeError, DTypeError, DataError
        If the arguments do not fit the model or each other.
    TraceError
        At the first evaluation, if the forward or the loss reads values; use ``compiled=False``.
    WorldError
        If the processes differ, at the start or in their calls, or another one has failed or hangs.

    Notes
    -----
    The output may be affine in theta, up to functions of each sample's outputs. This is found from the traced graph:
    each op on the way must have a gradient rule that does not depend on values that theta decides. Then `along`
    computes the affine part once for the point and once for the direction, and each trial uses only the n outputs. If
    the point then moves along the line, and `follow` is called, the affine part moves with it and is not computed again
    (in float64). Its rounding errors add up until `forget`.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.Sequential([tn.Input((2,)), tn.Dense(1, use_bias=False, kernel_init="zeros")], dtype="float64")
    >>> objective = tn.Objective(model, [[1.0, 0.0], [1.0, 2.0]], [0, 1], loss="binary_cross_entropy")
    >>> value, gradient = objective.value_and_gradient(np.zeros(2))
    >>> round(value, 6), gradient
    (0.693147, array([ 0. , -0.5]))
    >>> phi = objective.along(np.zeros(2), -gradient)
    >>> round(phi(0.0), 6), round(phi(1.0), 6)
    (0.693147, 0.503204)
    """

    in_parts: ClassVar[type[Objective]]  # of `tinynet.fullbatch.divided`

    def __new__(cls, *arguments: Any, micro_batches: int = 1, world: Any = None, **options: Any) -> Objective:
        """Make an objective, or one in parts if ``micro_batches`` or ``world`` is passed."""
        whole = micro_batches == 1 and world is None
        return object.__new__(cls if whole else Objective.in_parts)

    def __init__(
        self,
        model: Network,
        x: Any,
        y: Any,
        loss: Any = "cross_entropy",
        l2: float = 0.0,
        batch_size: int | None = None,
        compiled: bool = True,
        sample_weight: npt.ArrayLike | None = None,
        class_weight: Any = None,
        *,
        micro_batches: int = 1,
        world: Any = None,
    ) -> None:
        self.model, self.compiled = model, compiled and can_compile()
        count = check_count("Objective: micro_batches", micro_batches)
        task = self._read(x, y, loss, sample_weight, class_weight)
        self.l2 = check_positive("Objective", "l2", l2, zero=True)
        size = None if batch_size is None else check_count("Objective: batch_size", batch_size)
        self._prepare(task, size, count, world)

    def _prepare(self, task: Task, size: int | None, micro_batches: int, world: Any) -> None:
        """Make the functions that compute the loss of a batch of the samples."""
        model = self.model
        self._parameters = list(model.parameters.values())
        self._theta = np.empty_like(model.theta)  # the parameters, which plans read in place
        self._graphs: dict[tuple[int, bool], _Graph] = {}
        self._plans: dict[tuple[str, int], Plan] = {}
        self._point = np.full(model.theta.shape, np.nan)  # the point of the affine values
        self._line: tuple[Vector, Vector, list[Given]] | None = None  # the last one
        self._offset: list[Given] | None = None  # the affine values at 0
        n = len(self.samples[0])
        self.loss: Loss = task.loss
        self._check_loss(n)
        self.size = size = min(n, size or self._fitting())  # samples at a time
        self.batches = list(slices_of(n, size))
        weights = self.labels[1] if isinstance(task, WeightedTask) else np.broadcast_to(1, n)
        if isinstance(weights, dict):
            raise ArgumentError("an objective takes the same weights of samples for all outputs; give one array")
        sums = [float(weights[part].sum(dtype=np.float64)) for part in self.batches]
        self._shares = [part / math.fsum(sums) for part in sums]

    def __repr__(self) -> str:
        return f"<Objective: the loss of {self.model} on {len(self.samples[0]):,} samples>"

    def _read(self, x: Any, y: Any, loss: Any, sample_weight: Any, class_weight: Any) -> Task:
        """Check samples and labels, and keep them; returns the task, with weights if there are any."""
        if not isinstance(self.model, Network):
            raise ArgumentError(f"Objective takes a model, but got {self.model!r}")
        made = self.model.build_model().made
        task = loss if isinstance(loss, Task) else find_task(loss, None, made)
        parts = split_samples[-1](self.model, x)
        self.samples = tuple(np.ascontiguousarray(as_tensor(part).data) for _, _, part in parts)
        labels = np.ascontiguousarray(as_tensor(y).data) if isinstance(made, Tensor) else y
        labels = task.read_labels(labels, self._check(labels), made)
        task, self.labels = with_weights(task, labels, sample_weight, class_weight, self.model.dtype)
        return task

    def _check(self, labels: Any) -> int:
        """Refuse data that do not fit each other; returns the number of samples."""
        first = self.samples[0]
        n = len(first) if first.ndim else 0
        arrays = [*self.samples, *([labels] if isinstance(labels, np.ndarray) else [])]
        if not n or any(a.shape[:1] != (n,) for a in arrays):
            raise ShapeError(
                f"Objective: x has shape {first.shape} and y has shape {arrays[-1].shape}; both must have an "
                "entry for each sample, and at least one"
            )
        if not all(np.isfinite(a).all() for a in arrays if a.dtype.kind == "f"):
            raise DataError("Objective: x or y has NaN or infinite values; clean the data first")
        return n

    def _check_loss(self, n: int) -> None:
        """Refuse a loss that is not a number, by a trial with outputs of zeros, before anything is computed."""
        with tracing() if self.compiled else no_grad():
            one = [a[:1] for a in self.samples]
            output = self.model(*(Tensor(Spec(a.shape, a.dtype) if self.compiled else a) for a in one))
        zeros = nested(output, lambda made: Tensor(np.zeros((n, *made.shape[1:]), made.dtype)))
        with np.errstate(all="ignore"):
            scalar_loss(self.loss, zeros, nested(self.labels, Tensor))

    def _fitting(self) -> int:
        """Return the number of samples whose intermediate values fit into memory."""
        if not self.compiled:
            return _EAGER_BATCH
        two, three = (
            sum(
                math.prod(v.shape) * v.dtype.itemsize
                for node in ancestors([self._graph(size).loss])
                if not node.op.view
                for v in node.values
            )
            for size in (2, 3)
        )
        return max(1, _MOST_BYTES // max(1, three - two))

    # --- evaluation

    def value(self, theta: npt.ArrayLike) -> float:
        """Return the loss at theta (P,)."""
        theta = self._vector(theta)
        total = math.fsum(weight * found["loss"].item() for weight, found in self._over_batches("value", theta))
        return total + self.penalty(theta)

    def value_and_gradient(self, theta: npt.ArrayLike) -> tuple[float, Vector]:
        """Return the loss at theta (P,) and its gradient (P,), in float64."""
        theta = self._vector(theta)
        values, gradient = [], np.zeros(theta.size)
        with self._point_moves_to(theta) as known:
            kind, given = ("slope", self._at_point) if known else ("gradient", itertools.repeat({}))
            for at, (weight, found) in zip(self._at_point, self._over_batches(kind, theta, given), strict=True):
                values.append(weight * found["loss"].item())
                gradient += weight * found["gradient"]
                if not known:
                    _copy(at, found)
        return math.fsum(values) + self.penalty(theta), gradient + self.l2 * theta

    def penalty(self, theta: npt.ArrayLike) -> float:
        """Return the part (l2 / 2) |theta|^2 of the loss at theta (P,)."""
        theta = self._vector(theta)
        return self.l2 / 2 * dot(theta, theta)

    def hvp(self, theta: npt.ArrayLike, vector: npt.ArrayLike) -> Vector:
        """Return the product (P,) of the Hessian at theta (P,) with a vector (P,), in float64."""
        theta, v = self._vector(theta), self._vector(vector)
        total = np.zeros(theta.size)
        given = itertools.repeat({"vector": v.astype(self._theta.dtype)})
        for weight, found in self._over_batches("hvp", theta, given):
            total += weight * found["hvp"]
        return total + self.l2 * v

    def along(self, theta: npt.ArrayLike, direction: npt.ArrayLike) -> Line:
        """Return the function t -> value(theta + t direction).

        Parameters
        ----------
        theta, direction : array_like
            (P,).

        Returns
        -------
        callable
            A function of a number. If the model is affine in theta, it does not read the samples again.
        """
        theta, d = self._vector(theta), self._vector(direction)
        if not self.affine:
            return lambda t: self.value(theta + t * d)
        with self._point_moves_to(theta) as known:
            if not known:
                for at, (_, found) in zip(self._at_point, self._over_batches("pieces", theta), strict=True):
                    _copy(at, found)
            starts = [{f"start {name}": values.copy() for name, values in at.items()} for at in self._at_point]
        if self._offset is None:
            self._offset = self._pieces(np.zeros_like(theta))
        ends = zip(starts, self._pieces(d), self._offset, strict=True)
        lines: list[Given] = [start | {f"slope {k}": to[k] - offset[k] for k in to} for start, to, offset in ends]
        self._line = theta, d, lines
        tt, td, dd = dot(theta, theta), dot(theta, d), dot(d, d)

        def phi(t: float) -> float:
            found = self._over_batches("rest", None, ({**line, "t": t} for line in lines))
            return math.fsum(w * f["loss"].item() for w, f in found) + self.l2 / 2 * (tt + 2 * t * td + t * t * dd)

        return phi

    def follow(self, t: float) -> None:
        """Note that the point moved along the last line of `along`; the gradient there then costs one pass less.

        Parameters
        ----------
        t : float
            The step: the new point is ``theta + t * direction``, to the bit.
        """
        if self._line is not None and self._carries:
            theta, d, lines = self._line
            with self._point_moves_to(theta + t * d):
                for at, line in zip(self._at_point, lines, strict=True):
                    for name, values in at.items():
                        np.multiply(line[f"slope {name}"], t, out=values)
                        values += line[f"start {name}"]

    def forget(self) -> bool:
        """Compute the next gradient at the point from the data; returns whether that may change it."""
        carried = self._carries and not np.isnan(self._point).any()
        self._point.fill(np.nan)
        return carried

    @property
    def _carries(self) -> bool:
        """Whether affine values move with the point. In float32, the point is rounded, and is not on the line."""
        return self.affine and self._theta.dtype == np.float64

    @property
    def carried(self) -> dict[str, Array]:
        """The values that a step keeps for the next one, in place: the affine values, and their point."""
        if not self._carries:
            return {}
        values = {
            f"values {k} of batch {i}": a for i, at in enumerate(self._at_point) for k, a in enumerate(at.values())
        }
        return {"point": self._point} | values

    @property
    def affine(self) -> bool:
        """Whether the model is affine in theta, up to functions of each sample's outputs, so that `along` is cheap."""
        return self.compiled and bool(self._graph(self.batches[0].stop).pieces)

    # --- computation

    def _vector(self, given: npt.ArrayLike) -> Vector:
        """Check a vector (P,), and copy it."""
        vector, expected = np.array(check_numbers("Objective: a vector", given), np.float64), self.model.theta.shape
        if vector.shape != expected:
            raise ShapeError(f"Objective: a vector of shape {expected} is expected, but got {vector.shape}")
        return vector

    @functools.cached_property
    def _at_point(self) -> list[dict[str, Array]]:
        """Return the arrays of the affine values of each batch; none if the model is not affine."""
        pieces = [self._graph(part.stop - part.start).pieces if self.compiled else {} for part in self.batches]
        return [{name: np.zeros(piece.shape, piece.dtype) for name, piece in batch.items()} for batch in pieces]

    @contextmanager
    def _point_moves_to(self, theta: Vector) -> Iterator[bool]:
        """Return whether the affine values at theta are known; when the block ends, they are."""
        with current_backend().session():  # no other Python thread writes them
            known = self.affine and np.array_equal(self._point, theta)
            self._point.fill(np.nan)  # until they are complete
            yield known
            self._point[...] = theta

    def _pieces(self, theta: Vector) -> list[Given]:
        """Compute the affine values of each batch."""
        return [{name: np.array(v) for name, v in found.items()} for _, found in self._over_batches("pieces", theta)]

    def _over_batches(
        self, kind: str, theta: Vector | None, given: Iterable[Given] = itertools.repeat({})
    ) -> Iterator[tuple[float, Given]]:
        """Compute something for each batch at theta; returns the share of its weight, and values to be used at once."""
        with current_backend().session(), self._with_parameters(theta):
            for part, share, more in zip(self.batches, self._shares, given, strict=False):
                yield share, self._run(kind, part, more)

    @managed
    def _with_parameters(self, theta: Vector | None) -> Iterator[None]:
        """Write theta to the vector that plans read; without plans, to the model itself, until the block ends."""
        to = self._theta if self.compiled else self.model.theta
        before = to.copy()
        try:
            if theta is not None:
                to[...] = theta
            yield
        finally:
            to[...] = before

    def _run(self, kind: str, part: slice, given: Given) -> Given:
        x, y = nested((self.samples, self.labels), operator.itemgetter(part))
        if not self.compiled:
            with no_grad() if kind == "value" else recording():
                loss = scalar_loss(self.loss, self.model(*map(Tensor, x)), nested(y, Tensor))
                return {name: t.data for name, t in self._derived(kind, loss, given).items()}
        size = part.stop - part.start
        if (kind, size) not in self._plans:
            self._plans[kind, size] = self._plan(kind, size)
        return self._plans[kind, size].replay(**given, **({} if len(self.batches) == 1 else _named(x, y)))

    def _fuse(
        self, outputs: list[Tensor], second_derivatives: bool = False, instead: Mapping[int, Any] | None = None
    ) -> list[Tensor]:
        from tinynet.fast.fuse import fuse  # late, since it imports all kernels

        return fuse(outputs, second_derivatives, instead)

    def _derived(self, kind: str, loss: Tensor, given: Mapping[str, Any]) -> dict[str, Tensor]:
        """Differentiate the loss of a batch a given number of times."""
        if kind == "value":
            return {"loss": loss}
        gradient = _gradient(loss, self._parameters, create_graph=kind == "hvp")
        if kind == "gradient":
            return {"loss": loss, "gradient": gradient}
        slope = ops.sum(gradient * as_tensor(given["vector"]))
        return {"hvp": _gradient(slope, self._parameters) if slope.requires_grad else 0 * gradient}

    def _graph(self, size: int, second_derivatives: bool = False) -> _Graph:
        """Trace the loss of a batch of a size."""
        if (size, second_derivatives) not in self._graphs:
            from tinynet.fast.chance import without_chance

            whole = self.samples, self.labels
            x, y = nested(whole, lambda a: Tensor(Spec((size, *a.shape[1:]), a.dtype)))

            def run() -> tuple[Tensor, list[Tensor]]:
                loss = scalar_loss(self.loss, self.model(*x), y)
                return loss, [loss]

            traced = without_chance(f"the objective of {self.model}", [self.model, self.loss], run)
            with tracing():
                (loss,) = self._fuse([traced], second_derivatives)
                self._graphs[size, second_derivatives] = _Graph(x, y, loss, _affine_pieces(loss, x, self._parameters))
        return self._graphs[size, second_derivatives]

    def _plan(self, kind: str, size: int) -> Plan:
        """Make the plan of one kind of computation for a batch; a single batch is read in place."""
        from tinynet.fast.plan import Plan  # the engine room begins here

        graph, inputs = self._graph(size, second_derivatives=kind == "hvp"), {}
        with tracing():
            instead = {}  # of the affine values
            if kind == "pieces":
                outputs = graph.pieces
            elif kind == "rest":
                inputs["t"] = Tensor(Spec((), self._theta.dtype))
                for name, piece in graph.pieces.items():
                    start, slope = (inputs.setdefault(f"{end} {name}", Tensor(piece.spec)) for end in _ENDS)
                    instead[id(piece.node)] = (start + inputs["t"] * slope,)
                outputs = {"loss": graph.loss}
            elif kind == "slope":
                for name, piece in graph.pieces.items():
                    instead[id(piece.node)] = (inputs.setdefault(name, Tensor(piece.spec)),)
                outputs = self._derived("gradient", graph.loss, {})
            else:
                inputs |= {"vector": Tensor(Spec(self._theta.shape, self._theta.dtype))} if kind == "hvp" else {}
                outputs = self._derived(kind, graph.loss, inputs) | (graph.pieces if kind == "gradient" else {})
            if kind != "pieces":
                outputs = dict(zip(outputs, self._fuse(list(outputs.values()), instead=instead), strict=True))
        data = _named(graph.x, graph.y)
        if len(self.batches) > 1:
            return Plan(inputs | data, outputs, bound=self._bound())
        memory = _named(self.samples, self.labels)
        return Plan(inputs, outputs, (*self._bound(), *((data[name], memory[name]) for name in data)))

    def _bound(self) -> tuple[tuple[Tensor, Array], ...]:
        """Pair each parameter with its place in the vector that plans read."""
        ends = np.cumsum([p.size for p in self._parameters])
        parts = np.split(self._theta, ends[:-1])
        return tuple((p, part.reshape(p.shape)) for p, part in zip(self._parameters, parts, strict=True))


def _gradient(y: Tensor, leaves: list[Tensor], create_graph: bool = False) -> Tensor:
    """Differentiate at once, also while tracing, since values inside the graph will be replaced."""
    return flat(differentiate([y], leaves, [filled(y.spec, 1)], create_graph))


def dot(a: Vector, b: Vector) -> float:
    """Multiply two vectors, always in the same order: BLAS would share out long ones to its threads."""
    return float(np.einsum("i,i", a, b))


def length(a: Vector) -> float:
    """Return the length of a vector, by `dot`."""
    return math.sqrt(dot(a, a))


def _copy(to: Mapping[str, Array], found: Given) -> None:
    for name, values in to.items():
        values[...] = found[name]


def _named(x: Sequence[Any], y: Any) -> dict[str, Any]:
    """Return samples, and labels and weights, by the names that plans give them."""
    samples = {f"x{i or ''}": a for i, a in enumerate(x)}
    return samples | {f"y{i or ''}": a for i, a in enumerate(leaves(y))}


class _Graph(NamedTuple):
    """The traced loss of a batch."""

    x: tuple[Tensor, ...]
    y: Any  # the labels, or a pair of them and their weights
    loss: Tensor
    pieces: dict[str, Tensor]  # see `_affine_pieces`


def _affine_pieces(loss: Tensor, samples: Sequence[Tensor], leaves: Sequence[Tensor]) -> dict[str, Tensor]:
    """Find values that are affine in the leaves, and through which alone a loss depends on the leaves.

    The result is empty if there are none, or if the loss also depends on the leaves in another way.
    """
    affine = {id(leaf): True for leaf in leaves}  # the leaves and the nodes that depend on them, by identity
    sampled = set(map(id, samples))
    pieces: dict[str, Tensor] = {}

    def key(x: Tensor) -> int:
        return id(x) if x.node is None else id(x.node)

    for node in ancestors([loss]):
        if any(key(x) in sampled for x in node.inputs):
            sampled.add(id(node))
        moving = [i for i, x in enumerate(node.inputs) if key(x) in affine]
        if not moving:
            continue
        affine[id(node)] = all(affine[key(node.inputs[i])] for i in moving) and _is_affine(node, moving)
        for x in (node.inputs[i] for i in moving if not affine[id(node)]):
            if affine[key(x)] and x.node is not None:
                pieces[f"piece {x.node.number}"] = x
            if affine[key(x)] and key(x) not in sampled:
                return {}
    return pieces


def _is_affine(node: Node, moving: Sequence[int]) -> bool:
    """Return whether a node is affine in some of its inputs together: their gradients must not depend on them."""
    if len(node.values) > 1 or node.values[0].dtype.kind != "f":
        return False
    g, out = (Tensor(Spec(node.values[0].shape, node.values[0].dtype)) for _ in range(2))
    inputs = [Tensor(x.spec) if i in moving else x for i, x in enumerate(node.inputs)]
    for i in moving:
        rule = node.op.rule(i)
        if rule is None:
            return False
        try:
            made = rule(g, out, *inputs, **node.attrs)
        except TraceError:  # the rule reads values
            return False
        used = {id(made), *(id(x) for n in ancestors([made]) for x in n.inputs)}
        if id(g) not in used or used & {id(out), *(id(inputs[k]) for k in moving)}:
            return False
    return True
