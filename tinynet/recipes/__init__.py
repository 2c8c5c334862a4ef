"""The reference models: their layers, and how they are trained."""

from tinynet.recipes.logistic import (
    LOGISTIC_DIGIT,
    LOGISTIC_STEPS,
    logistic_model,
    logistic_optimizer,
    standardisation,
)
from tinynet.recipes.recipe import DOCUMENTED, RECIPES, Recipe, dense_variant

__all__ = [
    "DOCUMENTED",
    "LOGISTIC_DIGIT",
    "LOGISTIC_STEPS",
    "RECIPES",
    "Recipe",
    "dense_variant",
    "logistic_model",
    "logistic_optimizer",
    "standardisation",
]
