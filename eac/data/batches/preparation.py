"""How a period is made ready for training, tests and forecasts: one way for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from eac.data.batches.needs import Needs
from eac.data.batches.tensors import PeriodTensors
from eac.data.core.among import EVERY, Among
from eac.data.core.blocks import keep_blocks
from eac.data.core.covariates import CovariateScale
from eac.data.core.period import Period
from eac.data.core.pieces import count_readings, is_complete, pieces
from eac.data.core.stream import GraphStream
from eac.data.core.windows import Split
from eac.data.parsing.files import MAPPED_SERIES
from eac.data.series.ahead import COVARIATES, Ahead
from eac.data.series.history import covariates_before, lag_steps, readings_before
from eac.data.series.mapped import MappedSeries, turned
from eac.data.series.network import network_mean
from eac.data.series.readings import TWICE, PartScaling, Readings
from eac.data.series.scales import Scales
from eac.data.series.scaling import Scaler, Scaling, fit_scaler
from eac.errors import ConfigError
from eac.protocols.protocol import STRICT, Protocol
from eac.typing import NodeSeries


@dataclass(frozen=True, eq=False)
class Layout:
    """How windows are laid out, scaled and filled.

    Attributes:
        window: Past steps in.
        horizon: Future steps out.
        protocol: How inputs and targets are scaled.
        scaling: Of both, in place of the protocol's.
        null_value: Readings equal to this are not what ``scaling`` is fitted to.
        carry: Share of a scaled reading that a gap keeps with each step; 0 fills with the mean.
        holidays: Country whose holidays are marked, if any.
        by_node: Windows hold some of the nodes: a series of over ``TWICE`` readings is laid out
            for them alone.

    Example:
        >>> Layout(window=12, horizon=6, carry=0.9).holidays is None
        True
    """

    window: int
    horizon: int
    protocol: Protocol = STRICT
    scaling: Scaling | None = None
    null_value: float | None = None
    carry: float = 0.0
    holidays: str | None = None
    by_node: bool = False


@dataclass(frozen=True, eq=False)
class Before:
    """What is known of the steps just before a period; NaN where unknown.

    Attributes:
        readings: Of the nodes of the period.
        covariates: The same of what was known ahead, where that is used.

    Example:
        >>> Before(torch.full((24, 3), torch.nan)).readings.shape
        torch.Size([24, 3])
    """

    readings: NodeSeries
    covariates: Float[Tensor, "time column channel"] | None = None


def check_mapped(period: Period, layout: Layout) -> None:
    """Refuses gaps that are filled along time in a series that is read step by step.

    Raises:
        ConfigError: If the period is mapped and ``layout`` would fill its gaps.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> period = SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=96)[0]
        >>> check_mapped(period, Layout(window=12, horizon=6, carry=0.9))  # it is in memory
    """
    if period.mapped and layout.carry and not layout.by_node:
        raise ConfigError(
            f"data.carry fills gaps along time, but period {period.name!r} is mapped from "
            f"{MAPPED_SERIES} and read step by step. Set data.nodes_per_window, leave carry out, "
            "or give the period as series.parquet."
        )


def check_needs(needs: Needs, nodes_per_window: int | None) -> None:
    """Refuses windows of some of the nodes for a backbone that needs them all.

    Example:
        >>> check_needs(Needs(hops=1), nodes_per_window=16)
    """
    if nodes_per_window is not None and (needs.hops is None or needs.hops > 1):
        raise ConfigError(
            f"nodes_per_window={nodes_per_window}: the backbone hears nodes that such a window "
            "leaves out. Leave it at null for this backbone."
        )


def before_period(
    stream: GraphStream,
    index: int,
    num_steps: int,
    covariates: Sequence[str],
    current: Period | None = None,
) -> Before | None:
    """What earlier periods hold of the steps before a period; None where none are wanted.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> stream = SyntheticStream(num_nodes=3, num_periods=2, steps_per_period=48, growth=0)
        >>> before_period(stream, 1, 24, ()).readings.shape
        torch.Size([24, 3])
    """
    if not num_steps:
        return None
    given = (covariates, current)
    ahead = covariates_before(stream, index, num_steps, *given) if covariates else None
    return Before(readings_before(stream, index, num_steps, current), ahead)


def steps_of_history(needs: Needs, period: Period, horizon: int) -> int:
    """Steps before a window that its seasonal history reaches back.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> period = SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=96)[0]
        >>> steps_of_history(Needs(lags=("1w",)), period, 12) == period.calendar.steps_per_week
        True
    """
    lags = lag_steps(needs.lags, period.calendar, horizon)
    return max((lag.steps for lag in lags), default=0)


def covariate_scale(
    stream: GraphStream, names: Sequence[str], fractions: tuple[float, float]
) -> CovariateScale | None:
    """How covariates are scaled throughout the stream; None where none are wanted."""
    if not names:
        return None
    first = stream.load(0)
    given, training = first.known_ahead(names), Split.by_fraction(first.num_steps, fractions).train
    return CovariateScale.of(replace(given, values=given.values[: training.stop]))


def prepare(
    period: Period, before: Before | None, scales: Scales, layout: Layout, needs: Needs
) -> PeriodTensors:
    """Joins on what came before, scales and fills what is gathered, and adds what is known ahead.

    The only place where readings become inputs; in a forecast the steps to forecast are NaN.

    Args:
        period: What batches are cut from.
        before: What comes before it, at least the largest lag long.
        scales: How to scale, in order of the nodes of the period.
        layout: Windows, and what fills gaps.
        needs: What the backbone asks for.
    """
    keep_blocks()
    earlier = None if before is None else before.readings
    lead = 0 if earlier is None else len(earlier)
    complete = is_complete(period.series) and (earlier is None or is_complete(earlier))
    joined = _joined(period, earlier, by_node=layout.by_node)
    readings = Readings(joined, scales.inputs.later(lead), complete=complete)
    steps = range(-lead, period.num_steps)
    tensors = PeriodTensors(
        readings=readings if complete else readings.carrying(layout.carry),
        graph=period.graph,
        scaler=scales.targets,
        window=layout.window,
        horizon=layout.horizon,
        calendar=period.calendar,
        lead=lead,
        lags=lag_steps(needs.lags, period.calendar, layout.horizon),
        ahead=_ahead(period, before, steps, layout.holidays, scales.covariates, needs),
    ).with_neighbours(needs.neighbours)
    return replace(tensors, network=network_mean(tensors.readings)) if needs.network else tensors


def fit_scales(
    period: Period,
    split: Split,
    layout: Layout,
    covariates: CovariateScale | None = None,
    among: Among = EVERY,
) -> Scales:
    """The scales of a period, as its training part and the protocol say.

    Args:
        period: The period.
        split: Its parts; only the training part is looked at where the protocol is strict.
        layout: How to scale; windows, by which the published code weighs its statistics.
        covariates: How covariates are scaled throughout the stream.
        among: The nodes that make up the typical one, which those with few readings take after.
    """
    series, protocol, train = period.series, layout.protocol, _fitted_on(period.series, split)
    if layout.scaling is not None:
        null = layout.null_value
        known = train if null is None else train.where(train != null, torch.nan)
        scaler = layout.scaling.fit_among(known, among)
        return Scales(PartScaling.of([scaler], shared=False), scaler, covariates)
    scaler = fit_scaler(train, per_node=protocol.scale_per_node, among=among)
    targets = scaler if protocol.scale_targets else Scaler.identity(period.num_nodes)
    shared = not protocol.scale_per_node
    if not protocol.scale_by_part:
        return Scales(PartScaling.of([scaler], shared=shared), targets, covariates)
    parts = [series[part.start : part.stop] for part in (split.train, split.val, split.test)]
    own = [part_scaler(part, layout) for part in parts]
    cuts = (split.train.start, split.val.start, split.test.start)
    return Scales(PartScaling.of([scaler, *own], cuts, shared=shared), targets, covariates)


def _fitted_on(series: NodeSeries, split: Split) -> Float[Tensor, "step node"]:
    """The training part; where that holds nothing at all, everything before the test part."""
    train = series[split.train.start : split.train.stop]
    return train if bool(count_readings(train).any()) else series[: split.test.start]


def part_scaler(series: NodeSeries, layout: Layout) -> Scaler:
    """The scaler of one part by its own statistics, as published; each window counts alike.

    Example:
        >>> part_scaler(torch.arange(4.0)[:, None], Layout(window=2, horizon=1)).mean
        tensor([0.5000])
    """
    weight = _windows_per_step(len(series), layout.window, layout.horizon)
    return fit_scaler(series, per_node=layout.protocol.scale_per_node, step_weight=weight)


def _joined(
    period: Period, before: NodeSeries | None, *, by_node: bool
) -> Float[Tensor, "step node"] | MappedSeries:
    if period.mapped:
        laid = _by_node(period) if by_node else None
        return MappedSeries(period.series, before, by_node=laid)
    parts = [period.series] if before is None else [before, period.series]
    steps, nodes = sum(map(len, parts)), period.num_nodes
    if not by_node or steps * nodes <= TWICE:
        return parts[0] if before is None else torch.cat(parts)
    joined, first = period.series.new_empty(nodes, steps).T, 0
    for part in parts:
        for some, values in pieces(part):
            joined[first + some.start : first + some.stop] = values
        first += len(part)
    return joined


def _by_node(period: Period) -> NodeSeries:
    return turned(period.series) if period.by_node is None else period.by_node


def _ahead(
    period: Period,
    before: Before | None,
    steps: range,
    holidays: str | None,
    scale: CovariateScale | None,
    needs: Needs,
) -> Ahead:
    """What is known of these steps beforehand."""
    off, known = None, {extra.name: extra.series(period, steps) for extra in needs.extras}
    if holidays is not None:
        from eac.data.series.holidays import holiday_steps  # and with it pandas

        off = holiday_steps(holidays, period.calendar, steps, period=period.name)
    if scale is not None:
        values = period.known_ahead(scale.names).values
        if before is not None and before.covariates is not None:
            values = torch.cat([before.covariates, values])
        known[COVARIATES] = scale.apply(values)
    return Ahead(off, known)


def _windows_per_step(num_steps: int, window: int, horizon: int) -> Float[Tensor, " time"]:
    """How many input windows hold each step, which is how the published statistics count it."""
    num_windows = max(num_steps - window - horizon, 1)
    step = torch.arange(num_steps)
    first, last = (step - window + 1).clamp_min(0), step.clamp_max(num_windows - 1)
    return (last - first + 1).clamp_min(0).float()
