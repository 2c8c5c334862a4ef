"""Ctrl-C at one instruction of Python, for tests that press it at each of them."""

import dis
import functools
import itertools
import sys


@functools.cache
def after_calls(code):
    """The places of the instructions before which Python looks for signals: those that come after a call."""
    found = list(dis.get_instructions(code))
    return {after.offset for call, after in itertools.pairwise(found) if call.opname.startswith("CALL")}


@functools.cache
def beginnings(code):
    """Where it looks as a function begins or a generator goes on; not as `close` raises an error in a generator."""
    return {one.offset for one in dis.get_instructions(code) if one.opname == "RESUME"}


class InterruptAt:
    """Raises a KeyboardInterrupt where Python may, in functions of some modules, counted from when it is armed.

    That is as a function begins or a generator goes on, and after each call.
    """

    def __init__(self, number, *modules):
        self.left, self.files = number, {module.__file__ for module in modules}
        self.tracer = sys.gettrace()

    def arm(self):
        """Begin to count, in functions that are called from now on."""
        sys.settrace(self)

    def disarm(self):
        """End to count."""
        sys.settrace(self.tracer)

    def __call__(self, frame, event, argument):
        if frame.f_code.co_filename not in self.files:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        places = {"call": beginnings, "opcode": after_calls}.get(event)
        if places and frame.f_lasti in places(frame.f_code):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self
