"""The compiled step: trace -> differentiate -> update -> plan -> replay."""

from tinynet.compile.plan import Plan
from tinynet.compile.trace import evaluation_plan, inference_plan, training_plan

__all__ = ["Plan", "evaluation_plan", "inference_plan", "training_plan"]
