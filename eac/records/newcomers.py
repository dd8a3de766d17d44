"""What the record of a period says of the sensors that joined in it."""

from dataclasses import dataclass
from typing import Any, TypeAlias

SPANS = {"day": 1, "week": 7, "month": 30}
"""Days after the first reading of a sensor that each span lasts."""
BEFORE, AFTER = "before", "after"
"""The model as the period before left it, and as this period trained it."""
NEW_IN_FIRST = "new in first"
"""What the groups of a benchmark's results are called that hold such errors, before the span."""

BySpan: TypeAlias = dict[str, float | None]


@dataclass(frozen=True)
class Newcomers:
    """MAE of forecasts of new sensors, soon after they joined and in the test part.

    Forecasts of the first day, week and month are those made so long after the first reading, as
    far as they end before the test part. The model "before" has never seen the sensors. The model
    "after" was trained on just these readings: its errors there are no forecasts.

    Attributes:
        num_nodes: New sensors.
        first: By forecast ("before", "after", naive ones, peers as the period before fitted them),
            then by "day", "week" and "month"; None where nothing was measured.
        test: By forecast, over the test part, peers as this period fitted them.

    Example:
        >>> new = Newcomers(2, first={"before": {"day": 9.0, "week": 8.5}}, test={"before": 8.0})
        >>> new.first["before"]["day"]
        9.0
    """

    num_nodes: int
    first: dict[str, BySpan]
    test: BySpan

    def to_json(self) -> dict[str, Any]:
        """The record as a plain dictionary."""
        return dict(vars(self))
