"""Modes: what no_grad covers, and what ends with it."""

import asyncio
import contextlib
import itertools
import threading

import numpy as np
import pytest

import tinynet as tn
from tests.core.interrupts import InterruptAt
from tinynet.core import mode
from tinynet.core.engine import Tensor
from tinynet.core.mode import recording, tracing
from tinynet.errors import ArgumentError


def leaf(value):
    return Tensor(np.array(value), requires_grad=True)


def records():
    x = leaf(2.0)
    return (x * x).requires_grad


BLOCK = tn.no_grad()


def with_a_block_of_its_own(interrupt):
    interrupt.arm()
    with tn.no_grad():
        assert not records()


def with_a_block_that_stays(interrupt):
    interrupt.arm()
    with BLOCK:
        assert not records()
        with BLOCK:
            assert not records()
        assert not records()


def with_a_decorated_function(interrupt):
    interrupt.arm()
    tn.no_grad()(records)()


def with_several_switches(interrupt):
    interrupt.arm()
    with tracing():
        pass


def with_a_gradient(interrupt):
    x = leaf(2.0)
    y = x * x
    interrupt.arm()
    tn.grad(y, [x])


WAYS = [with_a_block_of_its_own, with_a_block_that_stays, with_a_decorated_function, with_several_switches]


@pytest.mark.parametrize("way", [*WAYS, with_a_gradient])
def test_an_interrupt_at_any_instruction_of_a_switch_leaves_it_as_it_was(way):
    held = []
    for number in itertools.count(1):
        interrupt = InterruptAt(number, mode)
        try:
            way(interrupt)
        except KeyboardInterrupt as error:
            held.append(error)  # with its traceback, as in a notebook
        finally:
            interrupt.disarm()
        assert records()
        assert not mode._tracing.get()
        assert not BLOCK._begun
        if interrupt.left > 0:
            break
    assert len(held) > 4


def test_blocks_serve_where_no_with_statement_holds_them():
    with contextlib.ExitStack() as stack:
        stack.enter_context(tn.no_grad())
        assert not records()
    assert records()
    with tn.reference(), contextlib.ExitStack() as stack:
        stack.enter_context(BLOCK)
        left = stack.pop_all()
    assert not records()  # the block goes on, though the statement around it is over
    left.close()
    assert records()


def test_no_grad_records_nothing_and_ends():
    x = leaf(2.0)
    with tn.no_grad():
        assert not (x * x).requires_grad
    assert (x * x).requires_grad


def test_no_grad_nests():
    x = leaf(2.0)
    with tn.no_grad():
        with tn.no_grad():
            pass
        assert not (x * x).requires_grad


def test_no_grad_ends_with_an_error_too():
    x = leaf(2.0)
    with pytest.raises(KeyError), tn.no_grad():
        raise KeyError
    assert (x * x).requires_grad


def test_no_grad_holds_for_its_own_thread():
    found = []
    with tn.no_grad():
        thread = threading.Thread(target=lambda: found.append(records()))
        thread.start()
        thread.join()
    assert found == [True]


def test_one_no_grad_serves_many_times_within_itself_too():
    quiet = tn.no_grad()
    with quiet:
        with quiet:
            assert not records()
        assert not records()
    assert records()
    with quiet:
        assert not records()
    assert records()


def test_a_decorated_function_records_nothing():
    @tn.no_grad()
    def count(n):
        """Count."""
        return (records(), count(n - 1)) if n else records()

    assert count(2) == (False, (False, False))
    assert records()
    assert (count.__name__, count.__doc__) == ("count", "Count.")


def generator():
    yield records()


async def coroutine():
    return records()


async def asynchronous_generator():
    yield records()


@pytest.mark.parametrize("function", [generator, coroutine, asynchronous_generator])
def test_what_runs_later_cannot_be_decorated(function):
    with pytest.raises(ArgumentError, match=f"{function.__name__} is a generator or a coroutine.*write a with"):
        tn.no_grad()(function)


def test_a_decorator_without_brackets_is_refused():
    with pytest.raises(ArgumentError, match=r"@tn\.no_grad\(\)"):

        @tn.no_grad
        def function():
            pass


def test_blocks_that_end_out_of_order_end():
    def computing():
        with tn.no_grad():
            yield

    first, second = computing(), computing()
    next(first)
    next(second)
    first.close()
    assert not records()
    second.close()
    assert records()


def test_blocks_that_end_out_of_order_end_in_the_block_around_them():
    first, second = recording(), recording()
    with tn.no_grad():
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert records()
        second.__exit__(None, None, None)
        assert not records()
    assert records()


def test_a_block_of_an_asynchronous_generator_that_is_left_ends_with_it():
    async def batches():
        with tn.no_grad():
            yield 1
            yield 2

    async def main():
        async for _ in batches():
            break
        await asyncio.sleep(0.01)  # the loop closes the generator, in a task of its own
        return records()

    assert asyncio.run(main())


def test_a_task_started_within_no_grad_keeps_it():
    async def main():
        with tn.no_grad():
            task = asyncio.create_task(coroutine())
        assert records()
        return await task

    assert not asyncio.run(main())
