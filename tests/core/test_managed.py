"""Context managers that are generators: they switch back at the end of the block, however that comes."""

import itertools

import pytest

from tests.core.interrupts import InterruptAt
from tinynet.core import managed as managed_module
from tinynet.core import mode
from tinynet.core.managed import managed


@managed
def switched(log):
    log.append("on")
    try:
        yield log
    finally:
        log.append("off")


def test_a_block_is_switched_on_and_off():
    with switched([]) as log:
        assert log == ["on"]
    assert log == ["on", "off"]


def test_an_error_switches_it_off_and_goes_on():
    log = []
    with pytest.raises(KeyError), switched(log):
        raise KeyError
    assert log == ["on", "off"]


def test_a_decorated_function_is_switched_on_and_off_at_each_call():
    log = []
    function = switched(log)(log.append)
    for call in range(2):
        function(call)
    assert log == ["on", 0, "off", "on", 1, "off"]


@pytest.mark.parametrize("end", [False, True])
def test_an_interrupt_at_any_instruction_leaves_it_off(end):
    held = []
    for number in itertools.count(1):
        log, interrupt = [], InterruptAt(number, managed_module, mode)
        try:
            if not end:
                interrupt.arm()
            with switched(log):
                if end:
                    interrupt.arm()
        except KeyboardInterrupt as error:
            held.append(error)  # with its traceback, as in a notebook
        finally:
            interrupt.disarm()
        assert log in ([], ["on", "off"])
        if interrupt.left > 0:
            break
    assert len(held) > 1
