"""The estimated effectiveness of an action against a cause."""

from collections.abc import Mapping
from types import MappingProxyType

from activities.knowledge.settings import KnowledgeSettings
from activities.model.action import ActionType
from activities.model.experience import ActionStats

DEFAULT_PRIOR = 0.60
ACTION_PRIORS: Mapping[ActionType, float] = MappingProxyType(
    {
        ActionType.SCALE_UP: 0.80,
        ActionType.RESTART_SERVICE: 0.75,
        ActionType.BYPASS_VALIDATION: 0.50,
    }
)
"""Effectiveness without outcomes; every other type has `DEFAULT_PRIOR`."""


def prior_effectiveness(action: ActionType) -> float:
    """Return the effectiveness of the action type without outcomes, 0 to 1."""
    return ACTION_PRIORS.get(action, DEFAULT_PRIOR)


def estimate_effectiveness(stats: ActionStats, settings: KnowledgeSettings) -> float:
    """Return w·mean + (1 − w)·prior with w = min(1, n / saturation), 0 to 1.

    The mean of few outcomes is shrunk towards the prior; from saturation on it counts alone. With learning disabled the
    result is the prior.
    """
    prior = prior_effectiveness(stats.action)
    if not settings.pattern_learning_enabled or stats.count == 0:
        return prior
    weight = min(1.0, stats.count / settings.confidence_saturation_point)
    return weight * (stats.total / stats.count) + (1.0 - weight) * prior
