"""What settings look like: the call that made them, without what was left as it is by default."""

import pytest

import tinynet as tn


@pytest.mark.parametrize(
    ("make", "text"),
    [  # a default of None may be kept as 0, which is not shown
        (lambda: tn.Checkpoint("a", "loss"), "Checkpoint(path='a', monitor='loss', mode='min')"),
        (lambda: tn.Checkpoint("a", every_batches=2), "Checkpoint(path='a', every_batches=2, mode='min')"),
        (lambda: tn.SGD(0.01), "SGD(learning_rate=0.01)"),
        (lambda: tn.SGD(0.1, momentum=0.5), "SGD(learning_rate=0.1, momentum=0.5)"),
        (lambda: tn.LearningRateSchedule.step(3), "LearningRateSchedule.step(every=3)"),
    ],
)
def test_settings_are_shown_as_the_call_that_made_them(make, text):
    assert repr(make()) == text
