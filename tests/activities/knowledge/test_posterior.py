"""What is believed of an action, and the choice between equally safe options."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.knowledge.posterior import Posterior, build_posterior, posterior_for, sample_effects, thompson_sample
from activities.knowledge.settings import KnowledgeSettings
from activities.model.action import ActionType
from activities.model.diagnosis import Cause
from activities.model.experience import Experience, ScoredOutcome, aggregate

outcome_sums = st.floats(0.0, 200.0)
priors = st.floats(0.05, 0.95)
beliefs = st.lists(
    st.lists(st.builds(Posterior, st.floats(0.5, 40), st.floats(0.5, 40)), min_size=1, max_size=2),
    min_size=2,
    max_size=4,
)
LEARNING_SETTINGS = KnowledgeSettings()


def make_action_stats(outcomes, action=ActionType.SCALE_UP, cause=Cause.OVERLOAD):
    return aggregate(ScoredOutcome(action, cause, component, value) for component, value in outcomes).for_action(
        action, cause
    )


@given(prior=priors)
def test_without_outcomes_the_prior_is_believed(prior):
    """Nothing tried, nothing learned."""
    assert build_posterior(prior).mean == pytest.approx(prior)


@given(prior=priors, good=outcome_sums, bad=outcome_sums)
def test_a_success_raises_and_a_failure_lowers(prior, good, bad):
    """One more outcome moves the mean its way, and the lower bound stays below the mean."""
    before = build_posterior(prior, good, bad)
    assert build_posterior(prior, good + 1.0, bad).mean > before.mean > build_posterior(prior, good, bad + 1.0).mean
    assert 0.0 <= before.lower_bound < before.mean


def test_old_outcomes_fade():
    """What helped long ago and fails now is believed to fail."""
    told = [("gateway", 1.0)] * 600 + [("gateway", 0.0)] * 300
    record = make_action_stats(told)
    assert posterior_for(record, "gateway", LEARNING_SETTINGS).mean < 0.3 < record.total / record.count


def test_a_component_is_believed_by_what_was_seen_on_it():
    """What fails on one component and helps on all others is believed to fail there, and to help on an unknown one."""
    record = make_action_stats([("gateway", 1.0), ("audit-log", 1.0)] * 10 + [("policy-engine", 0.0)] * 6)
    here, there, unknown = (
        posterior_for(record, name, LEARNING_SETTINGS).mean for name in ("policy-engine", "gateway", "validator-1")
    )
    assert here < 0.3 < 0.6 < unknown < there


def test_learning_can_be_switched_off():
    """Then the type's prior is believed for ever."""
    record = make_action_stats([("gateway", 0.0)] * 50)
    assert posterior_for(record, "gateway", KnowledgeSettings(pattern_learning_enabled=False)).mean == pytest.approx(
        0.80
    )


@given(told=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([0.0, 0.5, 1.0])), max_size=40))
def test_decayed_sums_never_exceed_what_was_counted(told):
    """Good and bad together are at most n, in all and on each component, and nothing counted is nothing."""
    record = make_action_stats(told)
    assert 0.0 <= record.success_weight + record.failure_weight <= record.count == len(told)
    for name in "ab":
        tally = record.for_component(name)
        assert (
            0.0
            <= tally.success_weight + tally.failure_weight
            <= tally.count
            == sum(component == name for component, _ in told)
        )
    assert aggregate(()) == Experience()


@pytest.mark.parametrize(("mean", "good"), [(0.0, 0.0), (1.0, 0.0), (0.5, -0.1)])
def test_what_is_no_belief_is_refused(mean, good):
    """A certain prior or a negative sum is a mistake of the caller."""
    with pytest.raises(ValueError, match=r"prior|sums"):
        build_posterior(mean, good)


@given(options=beliefs, seed=st.integers(0, 2**32))
def test_propensities_are_a_distribution(options, seed):
    """They sum to 1, what was chosen had a chance, and the same seed makes the same choice."""
    choice = thompson_sample(sample_effects(options, 200, seed))
    assert sum(choice.propensities) == pytest.approx(1.0)
    assert choice.propensities[choice.chosen] > 0.0
    assert choice == thompson_sample(sample_effects(options, 200, seed))


def test_propensities_are_how_often_each_is_chosen():
    """Over many seeds, the shares of the choices are the logged probabilities."""
    options = [[Posterior(8, 4)], [Posterior(5, 5)], [Posterior(2, 1)]]
    counts = np.bincount(
        [thompson_sample(sample_effects(options, 1, seed)).chosen for seed in range(4000)], minlength=3
    )
    assert counts / 4000 == pytest.approx(thompson_sample(sample_effects(options, 4000, 1)).propensities, abs=0.04)


def test_of_several_actions_one_that_helps_is_enough():
    """An option of two actions is never drawn below what the same draws make of one of them."""
    alone, both = [Posterior(3, 3)], [Posterior(3, 3), Posterior(2, 5)]
    assert (sample_effects([both], 500, 7).mean()) > sample_effects([alone], 500, 7).mean()
