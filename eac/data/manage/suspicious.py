"""Readings that are hardly readings: stand-ins for missing ones, stuck values, other units."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eac.data.core.blocks import hand_back
from eac.data.core.period import Period
from eac.data.core.pieces import column_pieces, count_readings, pieces
from eac.data.core.windows import Split
from eac.data.manage.clocks import clock_notes, named, rarely_read, unread_slots
from eac.data.manage.extremes import changes, coarse, counting, extremes, rough

FILL_VALUES = (
    *(-99.0, -999.0, -9999.0, -99999.0, 9999.0, 99999.0, 999999.0),
    *(65535.0, 32767.0, -32768.0, -32767.0, 1e20, -1e20, 9.969209968386869e36, -3.4e38),
)
"""Values that files hold in place of missing readings; the last but one is NetCDF's."""
CONSTANT = "with one constant reading"
COARSE = (
    "whose readings differ by less than single precision can tell of numbers of their size "
    "(subtract a constant, or give differences)"
)
COUNTING = (
    "whose readings never fall, as of a meter that counts on (give what it counts in each step: "
    "the difference from the reading before) or of a level that slowly rises (leave it as it is)"
)
STUCK_SHARE = 0.3
FEW_NEGATIVE = 0.05
JUMP = 5.0
STEADY = 2.0
BLOCKS = 8
FAR = 1e4
"""Times the usual reading of a sensor from which on one cannot be meant."""
_SAMPLE_STEPS = 4096
_SAMPLE = 1 << 22


def suspicious_values(
    period: Period, low: Float[Tensor, " node"], high: Float[Tensor, " node"]
) -> Iterator[str]:
    """What looks wrong with the values of a period, with counts, one sentence each.

    Args:
        period: The period.
        low: Smallest reading of each node; infinite where there is none.
        high: Largest reading of each node; minus infinite where there is none.

    Example:
        >>> from eac.data.core.calendar import Calendar
        >>> from eac.data.core.graph import Graph
        >>> series = torch.arange(100.0)[:, None] % 7
        >>> series[50] = -999
        >>> period = Period("0", series, ("a",), Graph.empty(1), Calendar(24))
        >>> [found] = suspicious_values(period, series.amin(0), series.amax(0))
        >>> found.partition(",")[0]
        '1 node with 1 readings of -999'
    """
    filled = yield from _fill_values(period, torch.cat([low, high]))
    sample = _sample(period)
    sample = torch.where(torch.isin(sample, torch.tensor(filled)), torch.nan, sample)
    yield from _negative_counts(period, sample)
    yield from _stuck(period, sample)
    yield from _jumps(period, sample)
    yield from _far(period, sample, low, high)
    del sample
    hand_back()
    yield from _digits(period, low, high)
    yield from rarely_read(period)
    yield from unread_slots(period)


def before_training(period: Period, split: Split) -> tuple[str, ...]:
    """What a person should know before a period is trained on, one sentence each.

    Example:
        >>> from eac.data.core.calendar import Calendar
        >>> from eac.data.core.graph import Graph
        >>> series = torch.stack([torch.arange(20.0), torch.full((20,), torch.nan)], 1)
        >>> period = Period("0", series, ("a", "b"), Graph.empty(2), Calendar(24))
        >>> before_training(period, Split.by_fraction(20, (0.6, 0.2)))
        ('1 node without any reading and without a forecast: b',)
    """
    count = count_readings(period.series)
    silent = count == 0
    training = count_readings(period.series[split.train.start : split.train.stop]) == 0
    if bool(training.all()):
        return ("the training part holds no reading at all: scales come from what else is known",)
    said = [*period.notes, *clock_notes(period.calendar)]
    said += unread_slots(period)
    said += named(period, silent, "without any reading and without a forecast")
    said += named(
        period,
        training & ~silent,
        "without a reading in the training part, scaled by what is known",
    )
    low, high = extremes(period)
    said += _fill_values(period, torch.cat([low, high]))
    said += named(period, low == high, CONSTANT)
    said += _digits(period, low, high)
    said += _far(period, _sample(period), low, high)
    return tuple(said)


def _sample(period: Period) -> Float[Tensor, "some node"]:
    """Some steps, in order of time; the same every time."""
    steps = max(64, min(_SAMPLE_STEPS, _SAMPLE // period.num_nodes))
    if steps >= period.num_steps:
        return period.series
    order = torch.randperm(period.num_steps, generator=torch.Generator().manual_seed(0))
    return period.series[order[:steps].sort().values]


def fill_values(period: Period) -> Iterator[str]:
    """Values that often stand for missing readings, with their counts, one sentence each.

    Example:
        >>> from eac.data.core.calendar import Calendar
        >>> from eac.data.core.graph import Graph
        >>> series = torch.tensor([[3.0], [-999.0]])
        >>> period = Period("0", series, ("a",), Graph.empty(1), Calendar(24))
        >>> next(fill_values(period)).partition(",")[0]
        '1 node with 1 readings of -999'
    """
    ends = [part.nan_to_num(0.0).aminmax(dim=0) for _, part in pieces(period.series)]
    yield from _fill_values(period, torch.cat([end for pair in ends for end in pair]))


def _fill_values(period: Period, ends: Float[Tensor, " end"]) -> Iterator[str]:
    """Names values that stand for missing readings; returns them."""
    found = []
    for value in torch.tensor(FILL_VALUES).tolist():
        if not bool((ends == value).any()):
            continue
        counts = torch.zeros(period.num_nodes, dtype=torch.long)
        for _, part in pieces(period.series):
            counts += (part == value).sum(0)
        found.append(value)
        text = f"{value:.7g}"
        yield from named(
            period,
            counts > 0,
            f"with {int(counts.sum()):,} readings of {text}, which often stands for a missing one "
            f"(missing_values: [{text}])",
        )
    return found


def _negative_counts(period: Period, sample: Float[Tensor, "some node"]) -> Iterator[str]:
    present = ~sample.isnan()
    whole = ((sample == sample.round()) | ~present).all(0)
    negative, count = (sample < 0).sum(0), present.sum(0)
    below = torch.where(sample < 0, sample, torch.nan).nan_to_num(-torch.inf).amax(0)
    one_value = ((sample >= 0) | ~present | (sample == below)).all(0)
    few, seldom = negative < FEW_NEGATIVE * count, negative < 0.5 * count
    odd = whole & (negative > 0) & (few | (one_value & seldom))
    if not bool(odd.any()):
        return
    total = torch.zeros(period.num_nodes, dtype=torch.long)
    for _, part in pieces(period.series):
        total += (part < 0).sum(0)
    values = below[odd].unique().tolist()
    same = len(values) == 1 and bool((odd & one_value & ~few).any())
    what = f"readings of {values[0]:.7g}" if same else "negative readings"
    hint = f" (missing_values: [{values[0]:.7g}])" if same else ""
    about = f"with {int(total[odd].sum()):,} {what} among counts of at least 0{hint}"
    yield from named(period, odd, about)


def _stuck(period: Period, sample: Float[Tensor, "some node"]) -> Iterator[str]:
    """Nodes that read one value, which is not 0, far more often than any other."""
    parts = [_commonest(part) for _, part in column_pieces(sample, _SAMPLE // 8)]
    count, common, often, next_most = map(torch.cat, zip(*parts, strict=True))
    stuck = (often >= STUCK_SHARE * count) & (often > 3 * next_most) & common.isfinite()
    stuck &= (count > often) & (count >= 20)
    if bool(stuck.any()):
        worst = int((often / count).masked_fill(~stuck, 0).argmax())
        share, value = float(often[worst] / count[worst]), float(common[worst])
        yield from named(
            period, stuck, f"with one value most of the time, up to {share:.0%} {value:.4g}"
        )


def _commonest(sample: Float[Tensor, "some node"]) -> tuple[Tensor, ...]:
    """By node: readings, the value most of them have but 0, how many do, and how many the next."""
    present = ~sample.isnan()
    common = sample.nan_to_num(0.0).mode(0).values
    without_zero = torch.where((sample == 0) | ~present, torch.inf, sample)
    common = torch.where(common == 0, without_zero.mode(0).values, common)
    rest = torch.where((sample == common) | ~present | (sample == 0), torch.inf, sample)
    second = torch.where(rest.mode(0).values.isinf(), torch.nan, rest.mode(0).values)
    return present.sum(0), common, (sample == common).sum(0), (sample == second).sum(0)


def _jumps(period: Period, sample: Float[Tensor, "some node"]) -> Iterator[str]:
    """Nodes whose level changes at once by a factor, and stays: another unit, or another sensor."""
    if len(sample) < BLOCKS * 8:
        return
    blocks = [block.abs().nanmedian(0).values for block in sample.chunk(BLOCKS)]
    levels = torch.stack(blocks)
    jumped = torch.zeros(period.num_nodes, dtype=torch.bool)
    factor = torch.ones(period.num_nodes)
    for cut in range(1, len(levels)):
        before, after = levels[:cut], levels[cut:]
        steady = _steady(before) & _steady(after)
        ratio = after.median(0).values / before.median(0).values
        far = (ratio >= JUMP) | (ratio <= 1 / JUMP)
        chosen = steady & far & ~jumped
        factor = torch.where(chosen, torch.maximum(ratio, 1 / ratio), factor)
        jumped |= chosen
    if bool(jumped.any()):
        about = f"whose level changes for good, by a factor of up to {float(factor.max()):.3g}"
        yield from named(period, jumped, f"{about} (another unit?)")


def _far(
    period: Period,
    sample: Float[Tensor, "some node"],
    low: Float[Tensor, " node"],
    high: Float[Tensor, " node"],
) -> Iterator[str]:
    """Nodes with a reading that is not of the same world as their others."""
    usual, most = sample.abs().nanmedian(0).values, torch.maximum(low.abs(), high.abs())
    odd = (usual > 0) & (most > FAR * usual) & most.isfinite()
    if bool(odd.any()):
        worst = int((most / usual).masked_fill(~odd, 0).argmax())
        about = f"with readings up to {float(most[worst]):.3g}, where {float(usual[worst]):.3g} is "
        yield from named(period, odd, about + "usual (correct them, or leave them empty)")


def _digits(
    period: Period, low: Float[Tensor, " node"], high: Float[Tensor, " node"]
) -> Iterator[str]:
    """Nodes whose digits are lost in single precision, and meters that were not read off."""
    lost, meters = coarse(low, high), torch.zeros(period.num_nodes, dtype=torch.bool)
    for nodes, differences in changes(period):
        lost[nodes] |= rough(differences, low[nodes], high[nodes])
        meters[nodes] = counting(differences)
    yield from named(period, lost, COARSE)
    yield from named(period, meters, COUNTING)


def _steady(levels: Float[Tensor, "block node"]) -> Bool[Tensor, " node"]:
    low, high = levels.amin(0), levels.amax(0)
    return (low > 0) & (high <= STEADY * low)
