"""Estimators of what another policy would have earned, on data with a known answer."""

import random

import pytest

from worker.backtest.offpolicy import LoggedChoice, estimate_doubly_robust, estimate_inverse_propensity

SUCCESS_RATES = {("calm", "a"): 0.8, ("calm", "b"): 0.3, ("storm", "a"): 0.2, ("storm", "b"): 0.6}
ACTIONS = ("a", "b")


def make_logged_choices(count, seed=0):
    """Return choices of a policy that prefers `a` everywhere, with their true rates."""
    generator = random.Random(seed)
    log = []
    for _ in range(count):
        context = generator.choice(["calm", "storm"])
        action, chance = ("a", 0.7) if generator.random() < 0.7 else ("b", 0.3)
        log.append(LoggedChoice(context, action, chance, float(generator.random() < SUCCESS_RATES[context, action])))
    return log


def choose_best_action(context, action):
    """The policy that takes what is best in each context: its value is (0.8 + 0.6) / 2."""
    return float(action == ("a" if context == "calm" else "b"))


def test_propensities_undo_the_bias():
    """The value of another policy is found within three standard errors."""
    estimate = estimate_inverse_propensity(make_logged_choices(8000), choose_best_action)
    assert abs(estimate.value - 0.7) < 3 * estimate.standard_error < 0.06
    assert estimate.effective_size < 8000


@pytest.mark.parametrize("wrong", ["model", "propensity"])
def test_one_of_two_may_be_wrong(wrong):
    """Doubly robust: a useless model, or wrong propensities with a true model, still give the answer."""
    log = make_logged_choices(8000)
    if wrong == "propensity":
        log = [one._replace(propensity=0.5) for one in log]
        estimate = estimate_doubly_robust(
            log, choose_best_action, lambda context, action: SUCCESS_RATES[context, action], ACTIONS
        )
    else:
        estimate = estimate_doubly_robust(log, choose_best_action, lambda _, __: 0.9, ACTIONS)
    assert abs(estimate.value - 0.7) < 4 * estimate.standard_error


def test_a_good_model_narrows_the_error():
    """With a true model the doubly robust estimate is surer than with none."""
    log = make_logged_choices(4000)
    true = estimate_doubly_robust(
        log, choose_best_action, lambda context, action: SUCCESS_RATES[context, action], ACTIONS
    )
    none = estimate_doubly_robust(log, choose_best_action, lambda _, __: 0.0, ACTIONS)
    assert true.standard_error < none.standard_error


@pytest.mark.parametrize("log", [[], [LoggedChoice("calm", "a", 0.0, 1.0)], [LoggedChoice("calm", "a", 1.5, 1.0)]])
def test_what_cannot_be_estimated_is_refused(log):
    """Nothing logged, or a choice that cannot have been made."""
    with pytest.raises(ValueError, match=r"logged|propensity"):
        estimate_inverse_propensity(log, choose_best_action)


def test_a_policy_that_was_never_tried_has_no_estimate():
    """Without a shared choice there is nothing to reweight."""
    with pytest.raises(ValueError, match="none of the logged"):
        estimate_inverse_propensity([LoggedChoice("calm", "b", 0.3, 1.0)], lambda _, action: float(action == "a"))
