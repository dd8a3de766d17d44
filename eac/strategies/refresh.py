"""Refresh: each period decides, by a measurement, how much of the model is trained."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from eac.backbones.base import Backbone
from eac.checks import check_least
from eac.continual.drift import daily_drift
from eac.continual.features import last_week_readings
from eac.continual.probe import (
    Budget,
    State,
    between,
    probe,
    put_state,
    state_of,
    validation_error,
)
from eac.continual.selection import shared_rows
from eac.continual.updates import Compression
from eac.data.core.blocks import hand_back
from eac.errors import ConfigError
from eac.nn.low_rank_update import give_updates
from eac.records.update import UpdateRecord
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy
from eac.strategies.forecast import Pair
from eac.strategies.rungs import EVERYTHING, PROMPTS, Rung, ladder
from eac.strategies.wrapper import Wrapper

STEPS_BACK = (0.25, 0.5, 0.75)
"""Points between the state before and after training that are measured beside both."""
PROBE_GAIN = 0.01
"""By how much, as a share of the error, a probe must beat a training to be kept in its place.

Training goes on from what is kept, and a probe has learned less (``docs/practical.md``).
"""


class Refresh(Wrapper):
    """Decides, period by period, how much is trained, from prompts alone to everything.

    Stands on a strategy that freezes the backbone after period 0. The rungs between are prompts
    and head, and prompts and a low-rank update of the backbone (see ``Compressed``), of one rank
    or another. Rungs are tried in a short training on a copy, from the same start and on the same
    windows: the first and the last, and where the first is too low, those between by halving.
    The cheapest one tried that none above it beats on the validation part by ``margin`` is then
    trained fully. What came of it is measured against the state before it, points on the straight
    line between the two (as in Wortsman et al., CVPR 2022, "WiSE-FT") and the probes, which must be
    better by ``PROBE_GAIN``, and the best on the validation part stays: a training can be taken
    back in part or wholly. Choice, figures and reason are noted in the record of the period.

    Two cheap signs spare the probe: where a share of ``upheaval`` of the nodes is new everything
    is trained; without a new node and with a drift of at most ``calm``, the prompts.

    Args:
        strategy: The strategy with the prompts, such as EAC.
        margin: By how much, as a share of the error, more training must be better to be chosen.
            Negative: it may be that much worse, because a short probe understates what training
            everything comes to; a choice that does harm is taken back.
        head: Also try prompts and head.
        ranks: Ranks of updates to try.
        compression: How earlier updates are kept.
        calm: Drift up to which prompts alone are trained: mean Jensen-Shannon distance (0 to
            0.83) between the readings of the last week of training, day against day with the
            period before. 0 always probes.
        upheaval: Share of new nodes from which everything is trained.
        steps: Steps of one probe, at most.
        epochs: Passes of one probe over the training windows, at most.
        windows: Validation windows of one measurement, at most.

    Example:
        >>> from eac.strategies.eac import EAC
        >>> strategy = Refresh(EAC(rank=6, seed=0), steps=60)
        >>> type(strategy.strategy).__name__  # what it stands on
        'EAC'
    """

    def __init__(
        self,
        strategy: Strategy,
        *,
        margin: float = -0.01,
        head: bool = True,
        ranks: Sequence[int] = (),
        compression: Compression | None = None,
        calm: float = 0.0,
        upheaval: float = 0.5,
        steps: int = 250,
        epochs: float = 3.0,
        windows: int = 1024,
    ):
        super().__init__(strategy)
        check_least(0, calm=calm, upheaval=upheaval, epochs=epochs)
        check_least(1, steps=steps, windows=windows)
        self.margin = margin
        if any(rank < 1 for rank in ranks):
            raise ConfigError(f"Refresh(ranks={list(ranks)}): give ranks of at least 1.")
        self.rungs = ladder(head=head, ranks=ranks)
        self.compression = compression or Compression()
        self._updates = len(ranks) > 0
        self.calm = calm
        self.upheaval = upheaval
        self.budget = Budget(steps, epochs, windows)
        self._choice: _Choice | None = None
        self._before: State | None = None

    def attach(self, backbone: Backbone) -> None:
        """As the other strategy does; gives the backbone updates where ranks are to be tried."""
        super().attach(backbone)
        if self._updates:
            give_updates(backbone)

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """As the other strategy plans, but with as much of the backbone as the probes call for."""
        plan, self._choice = self.strategy.plan(context, backbone), None
        if context.previous is None or plan.start == "scratch":
            return plan
        self._choice = self._cheap_choice(context) or self._measured_choice(context, backbone)
        return self._choice.rung.plan(plan, self.compression)

    def begin_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """As the other strategy does; keeps the state before training for the way back."""
        super().begin_period(context, backbone)
        rung = EVERYTHING if self._choice is None else self._choice.rung
        begun = self._begin_update(rung, context, Pair(self.strategy, backbone))
        if self._choice is not None:
            self.record_update(begun)
            self._before = state_of(Pair(self.strategy, backbone))
            self.note(self._choice.reason)

    def end_training(self, context: PeriodContext, backbone: Backbone) -> None:
        """Keeps what validates best: what was trained, what was there before, or between."""
        super().end_training(context, backbone)
        if self._choice is None or self._before is None:
            return
        pair = Pair(self.strategy, backbone)
        trained = state_of(pair)
        states = {"after training": trained, "before training": self._before}
        for share in STEPS_BACK:
            states[f"{share:.0%} of the way"] = between(self._before, trained, share)
        probed = {f"of the probe of {rung.name}": rung for rung in self._choice.probed}
        for name, rung in probed.items():
            states[name] = self._before | self._choice.probed[rung]
        errors = {name: self._error(pair, state, context) for name, state in states.items()}
        best = min(errors, key=lambda name: errors[name] * (1 + PROBE_GAIN * (name in probed)))
        put_state(pair, states[best])
        self.note(
            f"kept the state {best}: validation MAE {errors[best]:.4g}, after training "
            f"{errors['after training']:.4g}, before {errors['before training']:.4g}"
        )

    @property
    def divides(self) -> bool:
        """As of the other strategy, where no updates are tried."""
        return self.strategy.divides and not self._updates

    def end_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """As the other strategy does; forgets the way back."""
        self._choice = self._before = None
        super().end_period(context, backbone)

    def _error(self, pair: Pair, state: State, context: PeriodContext) -> float:
        put_state(pair, state)
        view, training = context.current, context.training
        return _measured(validation_error(pair, view, training, self.budget.windows))

    def _cheap_choice(self, context: PeriodContext) -> "_Choice | None":
        """A choice without a probe, where it is asked for or the signs are clear."""
        if context.asked == "refresh everything":
            return _Choice(EVERYTHING, "everything: it was asked for")
        new = _share(context.change.new, context)
        if new >= self.upheaval:
            return _Choice(EVERYTHING, f"everything: {new:.0%} of the nodes are new")
        if self.calm > 0 and not new:
            drift = _drift_score(context)
            if drift <= self.calm:
                return _Choice(PROMPTS, f"prompts alone: no new node, drift {drift:.3f}")
        return None

    def _measured_choice(self, context: PeriodContext, backbone: Backbone) -> "_Choice":
        """The first and the last rung, and between them by halving where the first is too low."""
        tried: dict[Rung, tuple[float, State]] = {}
        for rung in (PROMPTS, EVERYTHING):
            tried[rung] = self._probe(rung, context, backbone)
        low, high = 1, len(self.rungs) - 1
        while self._cheapest(tried) is not PROMPTS and low < high:
            middle = (low + high) // 2
            tried[self.rungs[middle]] = self._probe(self.rungs[middle], context, backbone)
            below = self._cheapest(tried) is self.rungs[middle]
            low, high = (low, middle) if below else (middle + 1, high)
        rung = self._cheapest(tried)
        prompts = {k: v for k, v in tried[PROMPTS][1].items() if k.startswith("strategy.")}
        hand_back()
        reason = _reason(rung, {name: error for name, (error, _) in tried.items()}, context)
        return _Choice(rung, reason, {PROMPTS: prompts, rung: tried[rung][1]})

    def _cheapest(self, tried: dict[Rung, tuple[float, State]]) -> Rung:
        """The first rung that none of those above it beats by the margin."""
        errors = [(rung, tried[rung][0]) for rung in self.rungs if rung in tried]
        for position, (rung, error) in enumerate(errors):
            if all(error * (1 - self.margin) <= above for _, above in errors[position + 1 :]):
                return rung
        return errors[-1][0]

    def _probe(self, rung: Rung, context: PeriodContext, backbone: Backbone) -> tuple[float, State]:
        """A short training of a copy that has begun the period."""
        hand_back()  # what the probe before it left
        trial = copy.deepcopy(Pair(self.strategy, backbone))
        trial.strategy.begin_period(context, trial.backbone)
        trial.strategy.select_nodes(context.current.period.node_ids)
        self._begin_update(rung, context, trial)
        rung.plan(PeriodPlan(freeze_backbone=True), self.compression).open(trial.backbone)
        training, view = context.training, context.current
        error = probe(trial, view, training, self.budget, seed=context.seed)
        return _measured(error), state_of(trial)

    def _begin_update(self, rung: Rung, context: PeriodContext, pair: Pair) -> UpdateRecord | None:
        """Starts what the rung asks of a backbone that was given updates."""
        if not self._updates:
            return None
        return rung.begin(pair, context, self.compression)


@dataclass(frozen=True, eq=False)
class _Choice:
    """What is trained in a period, and why.

    Attributes:
        rung: What is trained.
        reason: For the record.
        probed: States that probes reached, of prompts alone and of the rung chosen.
    """

    rung: Rung
    reason: str
    probed: dict[Rung, State] = field(default_factory=dict)


def _drift_score(context: PeriodContext) -> float:
    """Mean over the nodes of both periods of how far their readings moved; 0 without any."""
    if context.previous is None:
        return 0.0
    views = context.previous, context.current
    rows = shared_rows(*(view.period.node_ids for view in views))
    old, new = map(last_week_readings, views, rows)
    steps_per_day = context.current.period.calendar.steps_per_day
    return context.training.together.mean(daily_drift(old, new, steps_per_day))


def _measured(error: float) -> float:
    """An error that others can be compared with: what has diverged is worse than all of them."""
    return math.inf if math.isnan(error) else error


def _share(node_ids: Sequence[str], context: PeriodContext) -> float:
    """Some of the nodes of all processes, as a share of all."""
    return context.training.together.share(len(node_ids), context.current.period.num_nodes)


def _reason(rung: Rung, errors: dict[Rung, float], context: PeriodContext) -> str:
    probes = ", ".join(f"{error:.4g} {tried.name}" for tried, error in errors.items())
    new, returned = (_share(ids, context) for ids in (context.change.new, context.change.returned))
    return (
        f"{rung.name}: validation MAE of the probes {probes}; "
        f"{new:.0%} of the nodes new, {returned:.0%} returned, drift {_drift_score(context):.3f}"
    )
