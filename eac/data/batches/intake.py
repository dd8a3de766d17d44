"""How a period is made ready: its scalers fitted, its history joined on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import nan

import torch
from jaxtyping import Float
from torch import Tensor

from eac.data.batches.ahead import Ahead
from eac.data.batches.context import Lag, covariates_before, readings_before
from eac.data.batches.mapped import MappedSeries
from eac.data.batches.readings import PartScaling, Readings
from eac.data.batches.scaling import Scaler, Scaling, fit_scaler
from eac.data.batches.tensors import PeriodTensors
from eac.data.core.covariates import CovariateScale
from eac.data.core.period import Period
from eac.data.core.pieces import count_readings, is_complete
from eac.data.core.stream import GraphStream
from eac.data.core.windows import Split
from eac.data.readers.files import MAPPED_SERIES
from eac.errors import ConfigError
from eac.protocols.protocol import Protocol
from eac.typing import NodeSeries


@dataclass(frozen=True, eq=False)
class Intake:
    """How a period is made ready.

    Attributes:
        window: Past steps in.
        horizon: Future steps out.
        lags: Where history is gathered.
        scaling: Of inputs and targets, instead of the protocol's.
        null_value: Readings equal to this are not what ``scaling`` is fitted to.
        carry: Share of a scaled reading that a gap keeps with each step; 0 fills with the mean.
        holidays: Country whose holidays are marked, if any.
        covariates: What is known ahead and how it is scaled, if anything.
    """

    window: int
    horizon: int
    lags: tuple[Lag, ...] = ()
    scaling: Scaling | None = None
    null_value: float | None = None
    carry: float = 0.0
    holidays: str | None = None
    covariates: CovariateScale | None = None


@dataclass(frozen=True, eq=False)
class Before:
    """What earlier periods hold of the steps just before a period; NaN where unknown.

    Attributes:
        readings: Of the nodes of the period.
        covariates: The same of what was known ahead, where that is used.
    """

    readings: NodeSeries
    covariates: Float[Tensor, "time column channel"] | None = None


def check_mapped(period: Period, **whole: object) -> None:
    """Refuses settings that would hold a series in memory that is mapped because it may not fit.

    Args:
        period: The period.
        **whole: Settings that need the whole series; falsy where they are off.
    """
    asked = [name for name, value in whole.items() if value]
    if period.mapped and asked:
        raise ConfigError(
            f"data.{asked[0]} needs the whole series in memory, but period {period.name!r} is "
            f"mapped from {MAPPED_SERIES}. Leave it out, or give the period as series.parquet."
        )


def before_period(
    stream: GraphStream, index: int, num_steps: int, covariates: Sequence[str]
) -> Before | None:
    """What earlier periods hold of the steps before a period; None where none are wanted."""
    if not num_steps:
        return None
    ahead = covariates_before(stream, index, num_steps, covariates) if covariates else None
    return Before(readings_before(stream, index, num_steps), ahead)


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
    period: Period,
    split: Split,
    protocol: Protocol,
    intake: Intake,
    before: Before | None = None,
) -> PeriodTensors:
    """Fits the scalers of a period as the protocol says; what is gathered is scaled and filled.

    Args:
        period: The period.
        split: Its parts; only the training part is looked at where the protocol is strict.
        protocol: How to scale.
        intake: Windows, history, and what replaces the protocol's scaling.
        before: What comes before the period, at least the largest lag long.
    """
    earlier = None if before is None else before.readings
    scaler, inputs = _fit(period.series, split, protocol, intake, earlier)
    lead = 0 if earlier is None else len(earlier)
    complete = is_complete(period.series) and (earlier is None or is_complete(earlier))
    readings = Readings(_joined(period, earlier), inputs.later(lead), complete=complete)
    steps = range(-lead, period.num_steps)
    scaled_targets = intake.scaling is not None or protocol.scale_targets
    return PeriodTensors(
        readings=readings if complete else readings.carrying(intake.carry),
        graph=period.graph,
        scaler=scaler if scaled_targets else Scaler.identity(period.num_nodes),
        window=intake.window,
        horizon=intake.horizon,
        calendar=period.calendar,
        lead=lead,
        lags=intake.lags,
        ahead=_ahead(period, steps, intake, before),
    )


def _joined(period: Period, before: NodeSeries | None) -> Float[Tensor, "step node"] | MappedSeries:
    if period.mapped:
        return MappedSeries(period.series, before)
    return period.series if before is None else torch.cat([before, period.series])


def _ahead(period: Period, steps: range, intake: Intake, before: Before | None) -> Ahead:
    """What is known of these steps beforehand."""
    off, scale = None, intake.covariates
    if intake.holidays is not None:
        from eac.data.batches.holidays import holiday_steps  # and with it pandas

        off = holiday_steps(intake.holidays, period.calendar, steps, period=period.name)
    if scale is None:
        return Ahead(off)
    values = period.known_ahead(scale.names).values
    if before is not None and before.covariates is not None:
        values = torch.cat([before.covariates, values])
    return Ahead(off, scale.apply(values))


def _fit(
    series: NodeSeries,
    split: Split,
    protocol: Protocol,
    intake: Intake,
    earlier: Float[Tensor, "lead node"] | None,
) -> tuple[Scaler, PartScaling]:
    """The scaler of the training part, and those of the inputs of each part."""
    train, null_value = _fitted_on(series, split, earlier), intake.null_value
    if intake.scaling is not None:
        train = train if null_value is None else train.where(train != null_value, nan)
        scaler = intake.scaling.fit(train)
        return scaler, PartScaling.of([scaler], shared=False)
    scaler = fit_scaler(train, per_node=protocol.scale_per_node)
    shared = not protocol.scale_per_node
    if not protocol.scale_by_part:
        return scaler, PartScaling.of([scaler], shared=shared)
    parts = [series[part.start : part.stop] for part in (split.train, split.val, split.test)]
    own = [part_scaler(part, protocol, intake.window, intake.horizon) for part in parts]
    cuts = (split.train.start, split.val.start, split.test.start)
    return scaler, PartScaling.of([scaler, *own], cuts, shared=shared)


def _fitted_on(
    series: NodeSeries, split: Split, earlier: Float[Tensor, "lead node"] | None
) -> Float[Tensor, "step node"]:
    """The training part; where it holds nothing at all, what is known before the test."""
    train = series[split.train.start : split.train.stop]
    if bool(count_readings(train).any()):
        return train
    if bool(count_readings(series[: split.test.start]).any()):
        return series[: split.test.start]
    return train if earlier is None else earlier


def part_scaler(series: NodeSeries, protocol: Protocol, window: int, horizon: int) -> Scaler:
    """The scaler of one part by its own statistics, as published; each window counts alike."""
    weight = _windows_per_step(len(series), window, horizon)
    return fit_scaler(series, per_node=protocol.scale_per_node, step_weight=weight)


def _windows_per_step(num_steps: int, window: int, horizon: int) -> Float[Tensor, " time"]:
    """How many input windows hold each step, which is how the published statistics count it."""
    num_windows = max(num_steps - window - horizon, 1)
    step = torch.arange(num_steps)
    first, last = (step - window + 1).clamp_min(0), step.clamp_max(num_windows - 1)
    return (last - first + 1).clamp_min(0).float()
