"""Refresh: each period decides, by a measurement, how much of the model is trained."""

import copy
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from eac.backbones.base import Backbone
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
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy
from eac.strategies.forecast import Pair
from eac.strategies.wrapper import Wrapper

Level: TypeAlias = Literal["prompts", "head", "full"]

LEVELS: tuple[Level, ...] = ("prompts", "head", "full")
"""What is trained, cheapest first."""

NAMES: dict[Level, str] = {
    "prompts": "prompts alone",
    "head": "prompts and head",
    "full": "everything",
}
"""What a record calls it."""

STEPS_BACK = (0.25, 0.5, 0.75)
"""Points between the state before and after training that are measured beside both."""


class Refresh(Wrapper):
    """Decides, period by period, between prompts alone, prompts and head, and everything.

    Stands on a strategy that freezes the backbone after period 0. Each level is tried in a short
    training on a copy, from the same start and on the same windows; the cheapest one that none
    above it beats on the validation part by ``margin`` is then trained fully. What came of it
    is measured against the state before it, points on the straight line between the two (as in
    Wortsman et al., CVPR 2022, "WiSE-FT") and the probe of the prompts alone, and the best on the
    validation part stays: a training can be taken back in part or wholly. Choice, figures and
    reason are noted in the record of the period.

    Two cheap signs spare the probe: where a share of ``upheaval`` of the nodes is new everything
    is trained; without a new node and with a drift of at most ``calm``, the prompts.

    Args:
        strategy: The strategy with the prompts, such as EAC.
        margin: By how much, as a share of the error, more training must be better to be chosen.
            Negative: it may be that much worse, because a short probe understates what training
            everything comes to; a choice that does harm is taken back.
        head: Also try prompts and head.
        calm: Drift up to which prompts alone are trained: mean Jensen-Shannon distance (0 to
            0.83) between the readings of the last week of training, day against day with the
            period before. 0 always probes.
        upheaval: Share of new nodes from which everything is trained.
        steps: Steps of one probe, at most.
        epochs: Passes of one probe over the training windows, at most.
        windows: Validation windows of one measurement, at most.
    """

    def __init__(
        self,
        strategy: Strategy,
        *,
        margin: float = -0.01,
        head: bool = True,
        calm: float = 0.0,
        upheaval: float = 0.5,
        steps: int = 250,
        epochs: float = 3.0,
        windows: int = 1024,
    ):
        super().__init__(strategy)
        self.margin = margin
        self.head = head
        self.calm = calm
        self.upheaval = upheaval
        self.budget = Budget(steps, epochs, windows)
        self._choice: _Choice | None = None
        self._before: State | None = None

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """As the other strategy plans, but with as much of the backbone as the probes call for."""
        plan, self._choice = self.strategy.plan(context, backbone), None
        if context.previous is None or plan.start == "scratch":
            return plan
        self._choice = self._cheap_choice(context) or self._measured_choice(context, backbone)
        return _with_level(plan, self._choice.level)

    def begin_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """As the other strategy does; keeps the state before training for the way back."""
        super().begin_period(context, backbone)
        if self._choice is not None:
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
        for level, state in self._choice.probed.items():
            states[f"of the probe of {NAMES[level]}"] = state
        errors = {name: self._error(pair, state, context) for name, state in states.items()}
        best = min(errors, key=lambda name: errors[name])
        put_state(pair, states[best])
        self.note(
            f"kept the state {best}: validation MAE {errors[best]:.4g}, after training "
            f"{errors['after training']:.4g}, before {errors['before training']:.4g}"
        )

    def end_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """As the other strategy does; forgets the way back."""
        self._choice = self._before = None
        super().end_period(context, backbone)

    def _error(self, pair: Pair, state: State, context: PeriodContext) -> float:
        put_state(pair, state)
        view, training = context.current, context.training
        return validation_error(pair, view, training, self.budget.windows)

    def _cheap_choice(self, context: PeriodContext) -> "_Choice | None":
        """A choice without a probe, where the signs are clear."""
        new = len(context.change.new) / context.current.period.num_nodes
        if new >= self.upheaval:
            return _Choice("full", f"everything: {new:.0%} of the nodes are new")
        if self.calm > 0 and not context.change.new:
            drift = drift_score(context)
            if drift <= self.calm:
                return _Choice("prompts", f"prompts alone: no new node, drift {drift:.3f}")
        return None

    def _measured_choice(self, context: PeriodContext, backbone: Backbone) -> "_Choice":
        errors: dict[Level, float] = {}
        states: dict[Level, State] = {}
        for level in ("prompts", "full"):
            errors[level], states[level] = self._probe(level, context, backbone)
        if self.head and self._cheapest(errors) == "full":
            errors["head"], states["head"] = self._probe("head", context, backbone)
        level = self._cheapest(errors)
        kept: dict[Level, State] = {"prompts": states["prompts"], level: states[level]}
        return _Choice(level, _reason(level, errors, context), kept)

    def _cheapest(self, errors: dict[Level, float]) -> Level:
        """The first level that none of those above it beats by the margin."""
        tried: list[Level] = [level for level in LEVELS if level in errors]
        for position, level in enumerate(tried):
            enough = errors[level] * (1 - self.margin)
            if all(enough <= errors[above] for above in tried[position + 1 :]):
                return level
        return tried[-1]

    def _probe(
        self, level: Level, context: PeriodContext, backbone: Backbone
    ) -> tuple[float, State]:
        """A short training of a copy that has begun the period."""
        trial = copy.deepcopy(Pair(self.strategy, backbone))
        trial.strategy.begin_period(context, trial.backbone)
        trial.strategy.select_nodes(context.current.period.node_ids)
        _open(trial.backbone, level)
        training, view = context.training, context.current
        error = probe(trial, view, training, self.budget, seed=context.seed)
        return error, state_of(trial)


@dataclass(frozen=True, eq=False)
class _Choice:
    """What is trained in a period, and why.

    Attributes:
        level: What is trained.
        reason: For the record.
        probed: States that probes reached, of prompts alone and of the level chosen.
    """

    level: Level
    reason: str
    probed: dict[Level, State] = field(default_factory=dict)


def drift_score(context: PeriodContext) -> float:
    """Mean over the nodes of both periods of how far their readings moved; 0 without any."""
    if context.previous is None:
        return 0.0
    before, now = shared_rows(context.previous.period.node_ids, context.current.period.node_ids)
    old, new = last_week_readings(context.previous), last_week_readings(context.current)
    steps_per_day = context.current.period.calendar.steps_per_day
    score = daily_drift(old[:, before], new[:, now], steps_per_day).nanmean()
    return float(score.nan_to_num(0.0))


def _with_level(plan: PeriodPlan, level: Level) -> PeriodPlan:
    if level == "prompts":
        return plan
    return replace(plan, train=True, freeze_backbone=level != "full", train_head=level == "head")


def _open(backbone: Backbone, level: Level) -> None:
    backbone.requires_grad_(level == "full")
    if level == "head":
        for parameter in backbone.head_parameters():
            parameter.requires_grad_(True)


def _reason(level: Level, errors: dict[Level, float], context: PeriodContext) -> str:
    probes = ", ".join(f"{error:.4g} {NAMES[name]}" for name, error in errors.items())
    num_nodes = context.current.period.num_nodes
    new = len(context.change.new) / num_nodes
    returned = len(context.change.returned) / num_nodes
    return (
        f"{NAMES[level]}: validation MAE of the probes {probes}; "
        f"{new:.0%} of the nodes new, {returned:.0%} returned, drift {drift_score(context):.3f}"
    )
