"""Settings of Analyze."""

from pydantic import PositiveInt

from activities.analyze.learning.calibration import Calibration
from activities.model.types import Fraction, PositiveDuration, Settings


class TemporalPatternSettings(Settings):
    """A burst: many violations of one component in a short window."""

    enabled: bool = True
    sensitivity: Fraction = 0.85
    """Confidence of the pattern before there are outcomes: a prior that counts as 20 outcomes."""
    window: PositiveDuration = 60.0
    """Seconds; written `60s`, `5m` or a number in the file."""
    threshold: PositiveInt = 3


class SpatialPatternSettings(Settings):
    """Several components violated at the same time."""

    enabled: bool = True
    sensitivity: Fraction = 0.80
    min_components: PositiveInt = 3
    """Distinct violated components of the loop; also the number of distinct violated metrics on one component."""


class CausalPatternSettings(Settings):
    """Latency of one component moving with failures of another that calls it."""

    enabled: bool = True
    sensitivity: Fraction = 0.75
    correlation_threshold: Fraction = 0.8


class FrequencyPatternSettings(Settings):
    """Violations of one component that recur."""

    enabled: bool = True
    sensitivity: Fraction = 0.70
    anomaly_threshold: PositiveInt = 8
    window: PositiveDuration = 300.0
    """Seconds."""


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
    """Patterns that one diagnosis keeps, the most confident ones."""
    analysis_step: PositiveDuration = 15.0
    """Seconds between the instants at which violations are counted. Never below the data's own step."""
    sample_size_saturation: PositiveInt = 10
    """Counted violations from which the sample-size part of the overall confidence is 1."""
    calibration: Calibration = Calibration(intercept=-2.2, weights=(0.0, 1.5, 0.0))
    """Maps the evidence of a deviation to its confidence; fitted on recorded faults by `make bench-quality`."""

    @property
    def lookback(self) -> float:
        """Seconds of range data for the analyzers: twice the longest window, the first half for hysteresis."""
        algorithms = self.algorithms
        return 2.0 * max(algorithms.temporal.window, algorithms.frequency.window)
