"""What is believed of an action, and the choice between equally safe ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.knowledge.posterior import Posterior, best_shares, greedy, posterior, thompson

values = st.lists(st.sampled_from([0.0, 0.5, 1.0]), max_size=60)
priors = st.floats(0.05, 0.95)
beliefs = st.lists(st.builds(Posterior, st.floats(0.5, 40), st.floats(0.5, 40)), min_size=2, max_size=5)


@given(prior=priors)
def test_without_outcomes_the_prior_is_believed(prior):
    """Nothing tried, nothing learned."""
    assert posterior(prior, ()).mean == pytest.approx(prior)


@given(prior=priors, told=values)
def test_a_success_raises_and_a_failure_lowers(prior, told):
    """One more outcome moves the mean its way, and the lower bound stays below the mean."""
    before = posterior(prior, told, decay=1.0)
    assert posterior(prior, [*told, 1.0], decay=1.0).mean > before.mean > posterior(prior, [*told, 0.0], decay=1.0).mean
    assert 0.0 <= before.lower < before.mean


def test_old_outcomes_fade():
    """What helped long ago and fails now is believed to fail."""
    told = [1.0] * 100 + [0.0] * 100
    assert posterior(0.5, told, decay=0.98).mean < 0.2 < posterior(0.5, told, decay=1.0).mean


@pytest.mark.parametrize(("prior", "told"), [(0.0, []), (1.0, []), (0.5, [1.5]), (0.5, [-0.1])])
def test_what_is_no_rate_is_refused(prior, told):
    """A certain prior or an outcome outside 0 to 1 is a mistake of the caller."""
    with pytest.raises(ValueError, match=r"prior|outcome"):
        posterior(prior, told)


@given(options=beliefs, seed=st.integers(0, 2**32))
def test_propensities_are_a_distribution(options, seed):
    """They sum to 1, and the same seed makes the same choice."""
    choice = thompson(options, seed)
    assert sum(choice.propensities) == pytest.approx(1.0)
    assert choice == thompson(options, seed)
    assert greedy(options).propensities[greedy(options).chosen] == 1.0


def test_propensities_are_how_often_each_is_chosen():
    """Over many seeds, the shares of the choices are the logged probabilities."""
    options = [Posterior(8, 4), Posterior(5, 5), Posterior(2, 1)]
    counts = [0, 0, 0]
    for seed in range(4000):
        counts[thompson(options, seed).chosen] += 1
    assert [count / 4000 for count in counts] == pytest.approx(best_shares(options), abs=0.03)
