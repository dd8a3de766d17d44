"""A node-wise residual network that corrects the seasonal profile of the last weeks."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eac.backbones.base import Backbone
from eac.checks import check_least
from eac.cpu import Dropout, Linear, linear
from eac.data.batches.batch import Batch, Inputs
from eac.data.batches.needs import Needs
from eac.data.core.graph import Graph
from eac.data.series.ahead import COVARIATES
from eac.errors import ConfigError
from eac.nn.message_passing import propagate, propagate_series

HOURS_PER_WEEK = 168
LEAST_KNOWN = 0.25
"""Share of the training windows that must know a lag before the network looks at it.

Not tuned; ``docs/practical.md`` says what it gives where first periods are short.
"""


class SeasonalMLP(Backbone):
    """Forecasts what differs from the same slots of the last weeks.

    The *profile* of a node is the mean of what was read at the same slots of the last weeks (of
    the last day where no week is known, else the mean of the node). The network sees the window,
    its difference from the profile, the profile ahead, how each lag differs from it, the same of
    the node's neighbours, the mean of the whole network where it is asked for, and the share of
    readings present; it adds a correction to a mean of the profile and the last reading that is
    learned for each step, and begins where that mean alone is best on the first training windows.
    It does not look at a lag that too few training windows know, of this period and of those
    before: in a first period of two weeks, a week ago is known to the test and not in training.
    Prompts act at the hidden site; their last ``slot_rank`` values weigh vectors of the hour of
    the week: a low-rank term of node times slot.

    This project's own design; what each part is worth stands in ``docs/practical.md``.

    Args:
        window: Past steps in.
        horizon: Future steps out.
        hidden: Width of the residual layers.
        num_blocks: Residual layers.
        lags: Seasonal history, in days (``1d``) and weeks (``1w``); weeks make the profile.
        slot_rank: Rank of the term of node times hour of the week.
        dropout: Inside the residual layers.
        network: Whether it sees the mean of all sensors at each step of the window.
        covariates: Names of series known ahead, such as a weather forecast, which the stream must
            have.

    Example:
        >>> network = SeasonalMLP(window=12, horizon=6, hidden=16, slot_rank=4)
        >>> network.prompt_width  # at the hidden site, and weights of the hours of the week
        20
    """

    def __init__(
        self,
        window: int = 12,
        horizon: int = 12,
        *,
        hidden: int = 96,
        num_blocks: int = 2,
        lags: Sequence[str] = ("1d", "1w", "2w"),
        slot_rank: int = 4,
        dropout: float = 0.0,
        network: bool = False,
        covariates: Sequence[str] = (),
    ):
        super().__init__()
        check_least(1, hidden=hidden, num_blocks=num_blocks)
        check_least(0, slot_rank=slot_rank)
        if not lags:
            raise ConfigError("SeasonalMLP needs at least one lag, such as 1w.")
        self.window, self.horizon, self.hidden = window, horizon, hidden + horizon
        self.lags, self.covariates = tuple(lags), tuple(covariates)
        self.needs = Needs(
            self.lags, self.covariates, hops=1, neighbours=propagate_series, network=network
        )
        self.width, self.slot_rank = hidden, slot_rank
        weekly = [i for i, lag in enumerate(self.lags) if lag.endswith("w")]
        self._weekly = _view(weekly)
        self._daily = _view([i for i in range(len(self.lags)) if i not in weekly])
        span = window + horizon
        width_in = 2 * (2 * window + horizon) + len(self.lags) * (span + 1) + 1
        width_in += len(self.covariates) * span + (window if network else 0)
        self.inward = Linear(width_in, hidden)
        self.linear = Linear(width_in, horizon, bias=False)
        self.hour = nn.Embedding(HOURS_PER_WEEK, hidden)
        self.hour_of_day = nn.Embedding(24, hidden)
        blocks = [_Residual(hidden, dropout) for _ in range(num_blocks)]
        self.blocks = nn.ModuleList(blocks)
        self.slot_weight = nn.Embedding(HOURS_PER_WEEK, slot_rank)
        self.slot_out = Linear(slot_rank, horizon, bias=False)
        self.readout = Linear(hidden, horizon)
        self.trust = nn.Parameter(torch.zeros(horizon))
        self.share = nn.Buffer(torch.ones(()))  # of the correction, where an old run chose one
        self.lag_learned = nn.Buffer(torch.ones(len(self.lags), dtype=torch.bool))
        self._small_start([self.readout, self.linear, *(block.out for block in blocks)])

    @property
    def prompt_width(self) -> int:
        """The hidden width and the weights of the slot vectors, side by side."""
        return self.width + self.slot_rank

    def encode(self, inputs: Inputs, graph: Graph) -> Float[Tensor, "batch node hidden"]:
        """Hidden features and, beside them, the forecast without the readout."""
        seen, profile = self._described(inputs, graph)
        hour = self._hour_of_week(inputs)
        prompt = inputs.prompt_or_zeros(self.prompt_width)
        when = self.hour(hour) + self.hour_of_day(hour % 24)
        both = torch.cat([self.inward.weight, self.linear.weight])
        inward, direct = linear(seen, both).split([self.width, self.horizon], -1)
        hidden = inward + prompt[..., : self.width] + (when + self.inward.bias)[:, None]
        for block in self.blocks:
            hidden = hidden + block(hidden)
        slot = self.slot_out(prompt[..., self.width :] * self.slot_weight(hour)[:, None])
        base = torch.lerp(inputs.x[..., -1:], profile, self.trust.sigmoid())
        return torch.cat([hidden, base + self._counted(direct + slot)], dim=-1)

    def decode(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node horizon"]:
        """The readout added to the forecast that ``encode`` prepared."""
        del inputs
        hidden, prepared = features.split([self.width, self.horizon], dim=-1)
        return self._counted(self.readout(nn.functional.gelu(hidden))) + prepared

    @torch.no_grad()
    def look_back(self, batch: Batch, *, fresh: bool) -> None:
        """Looks from now on at the lags that enough of these windows know, for any node."""
        known = batch.inputs.history_observed
        if known is None:
            return
        enough = batch.summed(known.any(1).float()).clamp_max(1).mean((0, 2)) >= LEAST_KNOWN
        enough = enough.to(self.lag_learned.device)
        self.lag_learned.copy_(enough if fresh else self.lag_learned | enough)

    @torch.no_grad()
    def start_from(self, batch: Batch) -> None:
        """Sets how much the profile is trusted, step by step, to what fits these windows best."""
        _, profile = self._described(batch.inputs, batch.graph)
        last, weight = batch.inputs.x[..., -1:], batch.mask * batch.scaler.scale[..., None]
        y = batch.scaler.scale_target(batch.y)
        edges = torch.tensor([0.001, 0.005, 0.01], device=y.device)
        shares = torch.cat([edges, torch.linspace(0.02, 0.98, 13, device=y.device), 1 - edges])
        errors = [((torch.lerp(last, profile, s) - y).abs() * weight).sum((0, 1)) for s in shares]
        self.trust.copy_(torch.logit(shares[batch.summed(torch.stack(errors)).argmin(0)]))

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):
        """Looks at every lag in a run that is older than the choice."""
        state_dict.setdefault(prefix + "lag_learned", torch.ones_like(self.lag_learned))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def train(self, mode: bool = True) -> "SeasonalMLP":
        """Training counts the whole correction, and so does what is trained, in an old run too."""
        if mode and self.readout.weight.requires_grad:
            self.share.fill_(1.0)
        return super().train(mode)

    def _counted(
        self, correction: Float[Tensor, "batch node horizon"]
    ) -> Float[Tensor, "batch node horizon"]:
        return correction if self.training else self.share * correction

    def _described(
        self, inputs: Inputs, graph: Graph
    ) -> tuple[Float[Tensor, "batch node width"], Float[Tensor, "batch node horizon"]]:
        """What the network sees, and the profile at the steps to forecast."""
        x, split = inputs.x, self.window
        history, known = self._history(inputs)
        profile = self._profile(history, known)
        near = inputs.neighbour_x if inputs.neighbour_x is not None else propagate(x, graph)
        near_profile = self._near_profile(inputs, profile)
        seen = [
            x,
            x - profile[..., :split],
            profile[..., split:],
            near,
            near - near_profile[..., :split],
            near_profile[..., split:],
            ((history - profile[:, :, None]) * known).flatten(2),
            known.mean(dim=-1),
            _share_present(inputs)[..., None],
            *self._of_network(inputs),
            *self._known_ahead(inputs),
        ]
        return torch.cat(seen, dim=-1), profile[..., split:]

    def _of_network(self, inputs: Inputs) -> Sequence[Float[Tensor, "batch node window"]]:
        """The mean of the network, if it is looked at; zeros where a batch has none."""
        if not self.needs.network:
            return ()
        return (torch.zeros_like(inputs.x) if inputs.network is None else inputs.network,)

    def _known_ahead(self, inputs: Inputs) -> Sequence[Float[Tensor, "batch node width"]]:
        """The covariates, side by side; zeros where a batch has none."""
        if not self.covariates:
            return ()
        if COVARIATES in inputs.extras:
            return (inputs.extras[COVARIATES].flatten(2),)
        width = len(self.covariates) * (self.window + self.horizon)
        return (inputs.x.new_zeros(*inputs.x.shape[:2], width),)

    def _history(
        self, inputs: Inputs
    ) -> tuple[Float[Tensor, "batch node lag span"], Float[Tensor, "batch node lag span"]]:
        """The history, and 1 where it is known and looked at."""
        if inputs.history is not None and inputs.history_observed is not None:
            known = inputs.history_observed & self.lag_learned[:, None]
            return inputs.history, known.to(inputs.x.dtype)
        shape = (*inputs.x.shape[:2], len(self.lags), self.window + self.horizon)
        return inputs.x.new_zeros(shape), inputs.x.new_zeros(shape)

    def _profile(
        self,
        history: Float[Tensor, "batch node lag span"],
        known: Float[Tensor, "batch node lag span"],
    ) -> Float[Tensor, "batch node span"]:
        """Mean of the weeks; of the days where no week is known; else the node's mean."""
        profile = torch.zeros_like(history[:, :, 0])
        for lags in (self._daily, self._weekly):
            if lags is not None:
                weight = known[:, :, lags]
                count = weight.sum(2)
                mean = (history[:, :, lags] * weight).sum(2) / count.clamp_min(1)
                profile = torch.where(count > 0, mean, profile)
        return profile

    def _near_profile(
        self, inputs: Inputs, profile: Float[Tensor, "batch node span"]
    ) -> Float[Tensor, "batch node span"]:
        lags = self._daily if self._weekly is None else self._weekly
        if inputs.neighbour_history is None:
            return torch.zeros_like(profile)
        return (inputs.neighbour_history[:, :, lags] * self.lag_learned[lags, None]).mean(2)

    def _hour_of_week(self, inputs: Inputs) -> Tensor:
        """Hour of the week of the window's last step."""
        clock = inputs.clock
        if clock is None:
            return torch.zeros(len(inputs.x), dtype=torch.long, device=inputs.x.device)
        last = self.window - 1
        hour = clock.slot[:, last] * 24 // clock.steps_per_day
        return (clock.day[:, last] * 24 + hour) % HOURS_PER_WEEK

    def _small_start(self, outputs: Sequence[nn.Linear]) -> None:
        """Starts near the profile: what is added to it begins close to zero."""
        for layer in outputs:
            nn.init.normal_(layer.weight, std=1e-3)
        for table in (self.hour, self.hour_of_day):
            nn.init.normal_(table.weight, std=1e-3)
        nn.init.normal_(self.slot_weight.weight, std=1.0)
        nn.init.normal_(self.slot_out.weight, std=0.3)


def _view(lags: Sequence[int]) -> slice | Sequence[int] | None:
    """Positions as a slice where they follow each other, which copies nothing; None without any."""
    if lags and list(lags) == list(range(lags[0], lags[-1] + 1)):
        return slice(lags[0], lags[-1] + 1)
    return lags or None


def _share_present(inputs: Inputs) -> Float[Tensor, "batch node"]:
    if inputs.observed is None:
        return inputs.x.new_ones(inputs.x.shape[:2])
    return inputs.observed.to(inputs.x.dtype).mean(-1)


class _Residual(nn.Module):
    def __init__(self, hidden: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.inner = Linear(hidden, hidden)
        self.dropout = Dropout(dropout)
        self.out = Linear(hidden, hidden)

    def forward(self, x: Float[Tensor, "batch node hidden"]) -> Float[Tensor, "batch node hidden"]:
        return self.out(self.dropout(nn.functional.gelu(self.inner(self.norm(x)))))
