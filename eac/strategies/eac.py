"""EAC: a frozen backbone and a pool of node prompts that expands and is compressed."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from eac.backbones.base import Backbone
from eac.continual.cold_start import Arrival, ColdStart, RandomStart
from eac.continual.features import first_week_starts
from eac.continual.null_space import Protection
from eac.continual.probe import mean_error
from eac.continual.selection import rows_of
from eac.data.batches.batch import Inputs
from eac.nn.guard import Guard
from eac.nn.prompt_pool import PromptPool
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy
from eac.strategies.forecast import Pair


class EAC(Strategy):
    """Expand and Compress (Chen & Liang, ICLR 2025).

    Period 0 trains backbone and prompts together; later periods freeze the backbone, add prompts
    for new nodes and train prompts alone. A node that returns finds the prompt it left.

    Args:
        rank: Columns of the node factor (paper: 6); null keeps full prompts, the ablation
            without compression.
        tune: In later periods tune ``all`` prompts (published code) or those of ``new`` nodes
            (paper); the latter skips a period without new nodes.
        expand: False leaves new nodes without a prompt of their own: the ablation without
            expansion.
        freeze_backbone: False trains the backbone in every period too: node prompts alone.
        seed: Of the first values of prompts; null takes the seed of the run.
        cold_start: First prompts of nodes that join in later periods; null: random (published).
        protect: How prompts of the past are kept while others are learned; null: not at all
            (published).

    Example:
        >>> import eac as package
        >>> model = package.Forecaster(package.STGNN(), EAC(rank=6, seed=0))
        >>> model.strategy.pool.grow(["north", "south"])  # a period does this with its new sensors
        2
        >>> model.print_trainable_parameters()
        trainable params: 3,392 || all params: 3,392 || trainable%: 100.0000
    """

    def __init__(
        self,
        rank: int | None = 6,
        tune: Literal["all", "new"] = "all",
        *,
        expand: bool = True,
        freeze_backbone: bool = True,
        seed: int | None = None,
        cold_start: ColdStart | None = None,
        protect: Protection | None = None,
    ):
        super().__init__()
        self.rank = rank
        self.tune = tune
        self.expand = expand
        self.freeze_backbone = freeze_backbone
        self.seed = seed
        self.cold_start = cold_start or RandomStart()
        self.protect = protect
        # A plain attribute: averaging of weights would average the numbers of a buffer too.
        self.rows = torch.empty(0, dtype=torch.long)
        self._selected: tuple[str, ...] = ()
        self.register_load_state_dict_post_hook(_find_rows_again)

    def attach(self, backbone: Backbone) -> None:
        """An empty pool of prompts as wide as the backbone takes them."""
        self.pool = PromptPool(backbone.prompt_width, self.rank, seed=self.seed)

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """Everything in period 0; prompts later, and everything again where it is asked for."""
        del backbone
        later = context.index > 0
        nothing_new = self._only_new(context) and not (self.expand and context.change.new)
        plan = PeriodPlan(
            train=not (nothing_new and self.freeze_backbone),
            freeze_backbone=later and self.freeze_backbone,
        )
        return plan.as_asked(context.asked)

    def begin_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """Expands the pool by the nodes it does not know; rows of those that are gone rest."""
        self.pool.fence(None)
        self._retire(context)
        self.pool.recall(context.current.period.node_ids)
        later, known = context.index > 0, self.pool.node_ids
        if self._only_new(context):
            self.pool.freeze_rows()
        elif context.asked is not None:
            self.pool.free_rows()
        if self.seed is None and context.previous is None:
            self.pool.reseed(context.draws.seed)
        if self.expand or not later:
            self.pool.grow(context.current.period.node_ids)
        context.draws.first_prompts(self.pool, len(known))
        if known:
            self._place_new(context, backbone, set(known))
            self._fence(context, len(known))

    def end_training(self, context: PeriodContext, backbone: Backbone) -> None:
        """Lets go of rows that a checkpoint of before there was an archive brought back."""
        del backbone
        self._retire(context)
        self.select_nodes(context.current.period.node_ids)

    @property
    def divides(self) -> bool:
        """Where every node has a prompt that is trained, and none depends on others."""
        alone = self.protect is None and not self.cold_start.looks_at_others
        return alone and self.expand and self.tune == "all"

    def end_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """Keeps what was learned inside the fence, and takes the fence away."""
        del context, backbone
        self.pool.fence(None)

    def _only_new(self, context: PeriodContext) -> bool:
        """Whether prompts of new nodes alone are tuned; all are where somebody asks for it."""
        return context.index > 0 and self.tune == "new" and context.asked is None

    def _retire(self, context: PeriodContext) -> None:
        """Rows of nodes that are gone rest, where nothing depends on the number of rows."""
        if self.protect is None and not context.draws.count_rows:
            self.pool.retire(context.current.period.node_ids)

    def _place_new(self, context: PeriodContext, backbone: Backbone, known: set[str]) -> None:
        """Gives the nodes that joined their first rows."""
        node_ids = context.current.period.node_ids
        joined = [node for node in node_ids if node not in known]
        if not joined or not self.expand:
            return
        new = rows_of(node_ids, joined)
        started = [node for node in node_ids if node in known]
        trial = Pair(self, backbone)
        starts = first_week_starts(context.current)

        def error(rows: Float[Tensor, "new column"]) -> float:
            self.pool.place(joined, rows)
            self.select_nodes(node_ids)
            return mean_error(trial, context.current, starts, nodes=new, training=context.training)

        arrival = Arrival(
            view=context.current,
            new=new,
            old=rows_of(node_ids, started),
            learned=self.pool.factors(started).cpu(),
            pool=self.pool.factors(sorted(known)).cpu(),
            drawn=self.pool.factors(joined).cpu(),
            error=error,
        )
        first = self.cold_start.first_rows(arrival)
        self.pool.place(joined, first.rows)
        if first.note is not None:
            self.note(f"{len(joined)} new nodes: {first.note}")

    def _fence(self, context: PeriodContext, num_known: int) -> None:
        """Keeps training from moving what is to be preserved."""
        if self.protect is None or self.tune == "new":
            return
        present = set(context.current.period.node_ids)
        known = self.pool.node_ids[:num_known]
        absent = torch.tensor([node not in present for node in known])
        old = self.pool.factors(known)
        fresh = len(self.pool.node_factor) - num_known
        free = self.protect.free_directions(old.cpu(), absent)
        radius = torch.cat([self.protect.radii(old.cpu(), absent), torch.full((fresh,), torch.inf)])
        guard = Guard(self.pool.node_factor, radius, self.pool.basis, free)
        self.pool.fence(guard.to(old.device))
        self.note(
            f"{int(absent.sum())} absent prompts held; the basis moves in "
            f"{round(float(free.trace()))} of {len(free)} directions"
        )

    def select_nodes(self, node_ids: Sequence[str]) -> None:
        """Finds the rows of these nodes in the pool."""
        self.pool.recall(node_ids)
        self._selected = tuple(node_ids)
        self.rows = self.pool.rows(node_ids)

    def adapt_input(self, inputs: Inputs) -> Inputs:
        """Gives each node its prompt."""
        self.rows = self.rows.to(inputs.x.device)
        rows = self.rows if inputs.nodes is None else self.rows[inputs.nodes]
        return inputs.with_prompt(self.pool(rows))


def _find_rows_again(strategy: EAC, keys: object) -> None:
    """A state may hold other rows, such as one of a version that kept those of nodes gone."""
    del keys
    strategy.rows = strategy.pool.rows(strategy._selected)
