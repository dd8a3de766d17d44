"""How inputs are scaled and errors are counted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from eac.protocols.draws import Draws, OwnDraws
from eac.protocols.published_draws import PublishedDraws

ProtocolName: TypeAlias = Literal["strict", "published"]


@dataclass(frozen=True)
class Protocol:
    """One set of rules for scaling, windows and errors.

    Attributes:
        name: The name used in configurations and records.
        scale_by_part: Scale the inputs of each part (train, val, test) by its own statistics, as
            the published code does, instead of by those of the training part.
        scale_per_node: One mean and deviation per node instead of one for all.
        scale_targets: Forecast in scaled units and scale back, instead of in raw units.
        keep_last_window: The published code drops the last window of each part.
        null_value: A target equal to this is left out of the errors.
        null_excluded_from_loss: It is left out of the loss too, which the published code does not
            do.
        windows_from_end: Windows are counted from the end of their part, as the published code
            does; together with ``draws`` a seed then gives the same run there and here.
        validate_by_batch: A validation is the mean over training-sized batches of their errors.
        draws: Draws first weights, prompts and the order of windows, by the seed of the run.

    Example:
        >>> from eac.protocols.protocol import PUBLISHED, STRICT
        >>> STRICT.scale_by_part, PUBLISHED.scale_by_part
        (False, True)
    """

    name: ProtocolName
    scale_by_part: bool
    scale_per_node: bool
    scale_targets: bool
    keep_last_window: bool
    null_value: float | None
    null_excluded_from_loss: bool
    windows_from_end: bool
    validate_by_batch: bool
    draws: Callable[[int], Draws]


STRICT = Protocol(
    "strict",
    scale_by_part=False,
    scale_per_node=True,
    scale_targets=True,
    keep_last_window=True,
    null_value=None,
    null_excluded_from_loss=True,
    windows_from_end=False,
    validate_by_batch=False,
    draws=OwnDraws,
)
PUBLISHED = Protocol(
    "published",
    scale_by_part=True,
    scale_per_node=False,
    scale_targets=False,
    keep_last_window=False,
    null_value=0.0,
    null_excluded_from_loss=False,
    windows_from_end=True,
    validate_by_batch=True,
    draws=PublishedDraws,
)
PROTOCOLS: dict[ProtocolName, Protocol] = {"strict": STRICT, "published": PUBLISHED}
