"""Settings of Analyze."""

from pydantic import PositiveInt

from activities.analyze.learning.calibration import Calibration
from activities.model.types import Fraction, PositiveDuration, Settings


class TemporalPatternSettings(Settings):
    """A burst: many violations of one component in a short window."""

    enabled: bool = True
    sensitivity: Fraction = 0.85
    """Confidence of this pattern while there are few outcomes. Outcomes change it; it weighs as much as 20 of them."""
    window: PositiveDuration = 60.0
    """Seconds of the recent past in which violations are counted."""
    threshold: PositiveInt = 3
    """Violations of one component within `window` that make a burst."""


class SpatialPatternSettings(Settings):
    """Several components violated at the same time."""

    enabled: bool = True
    sensitivity: Fraction = 0.80
    min_components: PositiveInt = 3
    """Minimum number of violated components. The same number of violated metrics on one component is a pattern too."""


class CausalPatternSettings(Settings):
    """The latency of one component rises and falls with the failures of a caller."""

    enabled: bool = True
    sensitivity: Fraction = 0.75
    correlation_threshold: Fraction = 0.8
    """Minimum correlation of the two series."""


class FrequencyPatternSettings(Settings):
    """Violations of one component that recur."""

    enabled: bool = True
    sensitivity: Fraction = 0.70
    anomaly_threshold: PositiveInt = 8
    """Violations of one component within `window` that count as recurring."""
    window: PositiveDuration = 300.0
    """Seconds of the recent past in which violations are counted."""


class AlgorithmSettings(Settings):
    """The four analyzers."""

    temporal: TemporalPatternSettings = TemporalPatternSettings()
    spatial: SpatialPatternSettings = SpatialPatternSettings()
    causal: CausalPatternSettings = CausalPatternSettings()
    frequency: FrequencyPatternSettings = FrequencyPatternSettings()


class AnalyzeSettings(Settings):
    """How patterns are found and weighed."""

    algorithms: AlgorithmSettings = AlgorithmSettings()
    pattern_history_limit: PositiveInt = 100
    """Maximum number of patterns in one diagnosis; the most confident ones are kept."""
    analysis_step: PositiveDuration = 15.0
    """Seconds between the instants at which violations are counted. A longer `monitor.scrape_interval` is used instead,
    because there is no new sample in between."""
    sample_size_saturation: PositiveInt = 10
    """Number of counted violations that is enough evidence. With fewer, the overall confidence is lower."""
    calibration: Calibration = Calibration(intercept=-2.2, weights=(0.0, 1.5, 0.0))
    """Coefficients that turn the strength of a deviation into a confidence, fitted on recorded faults by
    `make bench-quality`."""

    @property
    def lookback(self) -> float:
        """Return the seconds of range data to read: twice the longest window.

        The first half shows which violations had begun before the window, and so must reach the clear threshold to end.
        """
        algorithms = self.algorithms
        return 2.0 * max(algorithms.temporal.window, algorithms.frequency.window)
