"""The posterior of an action, and the choice between equally safe options."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.knowledge.posterior import Posterior, build_posterior, posterior_for, sample_effects, thompson_sample
from activities.knowledge.settings import KnowledgeSettings
from activities.model.action import ActionType
from activities.model.diagnosis import Cause
from activities.model.experience import ActionStats, Experience, ScoredOutcome, aggregate

outcome_sums = st.floats(0.0, 200.0)
priors = st.floats(0.05, 0.95)
posterior_options = st.lists(
    st.lists(st.builds(Posterior, st.floats(0.5, 40), st.floats(0.5, 40)), min_size=1, max_size=2),
    min_size=2,
    max_size=4,
)
LEARNING_SETTINGS = KnowledgeSettings()


def make_action_stats(outcomes: Iterable[tuple[str, float]]) -> ActionStats:
    """Return the stats of SCALE_UP against an overload, from component and value of each outcome."""
    action, cause = ActionType.SCALE_UP, Cause.OVERLOAD
    return aggregate(ScoredOutcome(action, cause, component, value) for component, value in outcomes).for_action(
        action, cause
    )


@given(prior=priors)
def test_without_outcomes_the_prior_is_used(prior: float) -> None:
    """The mean of a posterior without outcomes is the prior."""
    assert build_posterior(prior).mean == pytest.approx(prior)


@given(prior=priors, successes=outcome_sums, failures=outcome_sums)
def test_a_success_raises_and_a_failure_lowers_the_mean(prior: float, successes: float, failures: float) -> None:
    """One more outcome moves the mean in its direction, and the lower bound is below the mean."""
    posterior = build_posterior(prior, successes, failures)
    assert build_posterior(prior, successes + 1.0, failures).mean > posterior.mean
    assert build_posterior(prior, successes, failures + 1.0).mean < posterior.mean
    assert 0.0 <= posterior.lower_bound < posterior.mean


def test_old_outcomes_decay() -> None:
    """An action that helped long ago and fails now has a low posterior."""
    stats = make_action_stats([("gateway", 1.0)] * 600 + [("gateway", 0.0)] * 300)
    assert posterior_for(stats, "gateway", LEARNING_SETTINGS).mean < 0.3 < stats.total / stats.count


def test_a_component_has_its_own_posterior() -> None:
    """An action that fails on one component and helps on all others is estimated so, and to help on a new one."""
    stats = make_action_stats([("gateway", 1.0), ("audit-log", 1.0)] * 10 + [("policy-engine", 0.0)] * 6)
    failing, helping, new = (
        posterior_for(stats, name, LEARNING_SETTINGS).mean for name in ("policy-engine", "gateway", "validator-1")
    )
    assert failing < 0.3 < 0.6 < new < helping


def test_learning_can_be_disabled() -> None:
    """Without learning only the prior of the action type is used."""
    stats = make_action_stats([("gateway", 0.0)] * 50)
    settings = KnowledgeSettings(pattern_learning_enabled=False)
    assert posterior_for(stats, "gateway", settings).mean == pytest.approx(0.80)


@given(outcomes=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([0.0, 0.5, 1.0])), max_size=40))
def test_decayed_sums_never_exceed_the_count(outcomes: list[tuple[str, float]]) -> None:
    """Successes and failures together are at most the count, in all and on each component."""
    stats = make_action_stats(outcomes)
    assert 0.0 <= stats.success_weight + stats.failure_weight <= stats.count == len(outcomes)
    for name in "ab":
        local = stats.for_component(name)
        assert 0.0 <= local.success_weight + local.failure_weight <= local.count
        assert local.count == sum(component == name for component, _ in outcomes)
    assert aggregate(()) == Experience()


@pytest.mark.parametrize(("mean", "successes"), [(0.0, 0.0), (1.0, 0.0), (0.5, -0.1)])
def test_an_invalid_prior_or_sum_is_refused(mean: float, successes: float) -> None:
    """A certain prior or a negative sum is an error of the caller."""
    with pytest.raises(ValueError, match=r"prior|sums"):
        build_posterior(mean, successes)


@given(options=posterior_options, seed=st.integers(0, 2**32))
def test_propensities_are_a_distribution(options: list[list[Posterior]], seed: int) -> None:
    """They sum to 1, the chosen option has one above 0, and the same seed makes the same choice."""
    choice = thompson_sample(sample_effects(options, 200, seed))
    assert sum(choice.propensities) == pytest.approx(1.0)
    assert choice.propensities[choice.chosen] > 0.0
    assert choice == thompson_sample(sample_effects(options, 200, seed))


def test_propensities_are_the_rates_of_the_choices() -> None:
    """Over many seeds, the shares of the choices equal the recorded propensities."""
    options = [[Posterior(8, 4)], [Posterior(5, 5)], [Posterior(2, 1)]]
    counts = np.bincount(
        [thompson_sample(sample_effects(options, 1, seed)).chosen for seed in range(4000)], minlength=3
    )
    assert counts / 4000 == pytest.approx(thompson_sample(sample_effects(options, 4000, 1)).propensities, abs=0.04)


def test_one_effective_action_of_several_is_enough() -> None:
    """An option of two actions is estimated higher than one of them alone."""
    alone, both = [Posterior(3, 3)], [Posterior(3, 3), Posterior(2, 5)]
    assert (sample_effects([both], 500, 7).mean()) > sample_effects([alone], 500, 7).mean()
