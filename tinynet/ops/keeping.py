"""Ops of the shelf that keep values, or most of them: probabilities that went through them are still no logits."""

from tinynet.ops.extremes import maximum, minimum
from tinynet.ops.join import _concatenate
from tinynet.ops.loss import keep_values
from tinynet.ops.pointwise import divide

keep_values |= {maximum, minimum, divide, _concatenate}
