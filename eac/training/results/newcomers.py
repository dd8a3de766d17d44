"""How well new sensors are forecast just after they joined, before and after training on them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from eac.continual.features import evaluating
from eac.continual.selection import shared_rows
from eac.continual.strangers import welcome
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.needs import Needs
from eac.data.batches.preparation import (
    before_period,
    covariate_scale,
    fit_scales,
    prepare,
    steps_of_history,
)
from eac.data.batches.tensors import PeriodTensors
from eac.data.core.period import NodeChange, Period
from eac.data.core.windows import Split, gather
from eac.data.series.readings import PartScaling
from eac.data.series.scales import Scales
from eac.data.series.scaling import Global, Scaler
from eac.metrics.baselines import last_observed, same_slot
from eac.metrics.horizon import HorizonErrors
from eac.records.newcomers import AFTER, BEFORE, BySpan, Newcomers
from eac.training.forecaster import Forecaster
from eac.training.peers import Booster, Boosters, boosted
from eac.training.results.again import undisturbed
from eac.training.results.arrivals import Arrival, SpanErrors

AT_ONCE = 1 << 14


class Joining:
    """The new sensors of a period, measured before and after the training.

    Args:
        arrival: The sensors.
        model: As the period before left it.
        previous: That period.
        boosters: Peers, which that period fits.
    """

    def __init__(
        self,
        arrival: Arrival,
        model: Forecaster,
        previous: PeriodData,
        boosters: Boosters | None = None,
    ):
        self._arrival = arrival
        self._first = {BEFORE: _before_training(model, previous, arrival)}
        self._naive = _naive(arrival)
        if boosters is not None:
            self._naive["lightgbm"] = _boosted(arrival, boosters.of(previous))

    def record(self, model: Forecaster, naive: dict[str, HorizonErrors]) -> Newcomers:
        """The record, after the test of a model, beside naive forecasts and peers."""
        arrival = self._arrival
        after = arrival.errors()
        tensors = arrival.data.ready.tested.on(model.device)
        _count(after, model, tensors, arrival.starts, arrival)
        every = {AFTER: model.errors} | naive
        test = {
            name: sums.summary(arrival.rows).point["MAE"]["mean"] for name, sums in every.items()
        }
        first = self._first | {AFTER: after.by_span()} | self._naive
        return Newcomers(len(arrival.rows), first, test)


def joining(
    model: Forecaster,
    previous: PeriodData | None,
    data: PeriodData,
    change: NodeChange,
    boosters: Boosters | None = None,
) -> Joining | None:
    """What is known of new sensors before the training; None in the first period, or without any.

    Also None under a protocol that scales each part by itself, and where processes divide the
    sensors.

    Example:
        >>> from eac import EAC, STGNN
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> change = NodeChange.between(data.period.node_ids, (), set())
        >>> joining(Forecaster(STGNN(), EAC()), None, data, change) is None  # the first period
        True
    """
    by_part = data.layout.scaling is None and data.protocol.scale_by_part
    if previous is None or by_part or data.share is not None:
        return None
    alone = data.ready.in_parts and model.strategy.forecasts_apart
    arrival = Arrival.of(data, change, alone=alone)
    return None if arrival is None else Joining(arrival, model, previous, boosters)


def _before_training(model: Forecaster, previous: PeriodData, arrival: Arrival) -> BySpan:
    """Errors of the model as it is; a new sensor's scale follows from its readings so far.

    The scale is fitted anew whenever twice as many steps are known, with what is known then.
    """
    data, errors, needs = arrival.data, arrival.errors(), model.backbone.needs
    before = previous.period.node_ids
    known_before, left = set(before), _left_by(previous, needs)
    lead = steps_of_history(needs, data.period, data.horizon)
    earlier = before_period(data.stream, data.index, lead, needs.covariates, data.period)
    with undisturbed(model):
        welcome(model, before, [node for node in data.period.node_ids if node not in known_before])
        model.select_nodes(data.period.node_ids)
        for known, starts in _doubling(arrival.starts, int(arrival.first.min()), data.window):
            cut = _up_to(arrival, int(starts[-1]))
            scales = _scales(left, before, data, cut, known)
            tensors = prepare(cut, earlier, scales, data.layout, needs)
            _count(errors, model, tensors.to(model.device), starts, arrival)
    model.select_nodes(before)
    return errors.by_span()


def _doubling(
    starts: Int[Tensor, " window"], begin: int, window: int
) -> Iterator[tuple[int, Int[Tensor, " some"]]]:
    """Steps that are known, and the windows until twice as many are since ``begin``."""
    age, known = starts + window - begin, window
    while bool((age >= known).any()):
        inside = (age >= known) & (age < 2 * known)
        if inside.any():
            yield begin + known, starts[inside]
        known *= 2


def _left_by(previous: PeriodData, needs: Needs) -> Scales:
    """The scales of a period, without making it ready once more."""
    known = covariate_scale(previous.stream, needs.covariates, previous.fractions)
    return fit_scales(previous.period, previous.split, previous.layout, known)


def _up_to(arrival: Arrival, last: int) -> Period:
    """The period up to the targets of the window at ``last``."""
    data, period = arrival.data, arrival.data.period
    stop, given = last + data.window + data.horizon, period.covariates
    given = None if given is None else replace(given, values=given.values[:stop])
    return replace(period, series=period.series[:stop], covariates=given)


def _scales(
    left: Scales, before: Sequence[str], data: PeriodData, cut: Period, known: int
) -> Scales:
    """The scales that the period before left; of other sensors by their readings so far."""
    count = cut.num_nodes
    split = Split(range(known), range(known, known), range(known, cut.num_steps))
    fitted = fit_scales(cut, split, data.layout, left.covariates)
    then, now = shared_rows(before, cut.node_ids)
    one_for_all = left.inputs.mean.shape[1] == 1 or isinstance(data.layout.scaling, Global)

    def joined(own: Scaler, saved: Scaler) -> Scaler:
        if saved.trivial:
            return Scaler.identity(count)
        if one_for_all:
            return Scaler(saved.mean[:1].expand(count), saved.scale[:1].expand(count))
        mean, scale = own.mean.clone(), own.scale.clone()
        mean[now], scale[now] = saved.mean[then], saved.scale[then]
        return Scaler(mean, scale)

    inputs = joined(_first_part(fitted.inputs), _first_part(left.inputs))
    targets = joined(fitted.targets, left.targets)
    return Scales(PartScaling.of([inputs], shared=False), targets, left.covariates)


def _first_part(scaling: PartScaling) -> Scaler:
    return Scaler(scaling.mean[0], scaling.scale[0])


def _count(
    errors: SpanErrors,
    model: Forecaster,
    tensors: PeriodTensors,
    starts: Int[Tensor, " window"],
    arrival: Arrival,
) -> None:
    """Adds forecasts of a model, which stays as it is."""
    some, rows = arrival.some, arrival.rows.to(model.device)
    held = arrival.data.period.num_nodes if some is None else len(some)
    with torch.no_grad(), torch.random.fork_rng(devices=[]), evaluating(model):
        for chunk in starts.split(max(1, AT_ONCE // held)):
            nodes = None if some is None else rows
            y_hat = model(tensors.batch(chunk.to(model.device), nodes=nodes))
            errors.update(chunk, (y_hat if nodes is not None else y_hat[:, rows]).cpu())


def _naive(arrival: Arrival) -> dict[str, BySpan]:
    """Errors of the naive forecasts that need no history; the last reading stands in."""
    data, calendar = arrival.data, arrival.data.period.calendar
    series = data.period.series[:, arrival.rows]
    cycles = dict(
        zip(calendar.cycles, (calendar.steps_per_day, calendar.steps_per_week), strict=True)
    )
    cycles.pop("", None)
    errors = {name: arrival.errors() for name in ("last", *cycles)}
    unknown = series.new_full((series.shape[1],), torch.nan)
    for chunk in arrival.starts.split(max(1, AT_ONCE // series.shape[1])):
        last = last_observed(gather(series, chunk, data.window), unknown)
        errors["last"].update(chunk, last[..., None].expand(-1, -1, data.horizon))
        for name, cycle in cycles.items():
            first = chunk + data.window
            errors[name].update(chunk, same_slot(series, first, last, data.horizon, cycle))
    return {name: found.by_span() for name, found in errors.items()}


def _boosted(arrival: Arrival, models: Sequence[Booster]) -> BySpan:
    """Errors of peers that the period before fitted, to which a new sensor is an unknown node."""
    data, errors = arrival.data, arrival.errors()
    for chunk in arrival.starts.split(max(1, AT_ONCE // data.period.num_nodes)):
        y_hat = boosted(models, data, chunk, arrival.rows, known=False)
        errors.update(chunk, y_hat)
    return errors.by_span()
