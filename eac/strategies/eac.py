"""EAC: a frozen backbone and a pool of node prompts that expands and is compressed."""

from collections.abc import Sequence
from typing import Literal

import torch

from eac.backbones.base import Backbone
from eac.data.batch import Inputs
from eac.nn.prompt_pool import PromptPool
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy


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
    """

    def __init__(
        self,
        rank: int | None = 6,
        tune: Literal["all", "new"] = "all",
        *,
        expand: bool = True,
        freeze_backbone: bool = True,
        seed: int | None = None,
    ):
        super().__init__()
        self.rank = rank
        self.tune = tune
        self.expand = expand
        self.freeze_backbone = freeze_backbone
        self.seed = seed
        self.register_buffer("rows", torch.empty(0, dtype=torch.long), persistent=False)

    def attach(self, backbone: Backbone) -> None:
        """An empty pool of prompts as wide as the backbone takes them."""
        self.pool = PromptPool(backbone.prompt_width, self.rank, seed=self.seed)

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """Everything in period 0; prompts later."""
        del backbone
        later = context.index > 0
        nothing_new = later and self.tune == "new" and not (self.expand and context.change.new)
        return PeriodPlan(
            train=not (nothing_new and self.freeze_backbone),
            freeze_backbone=later and self.freeze_backbone,
        )

    def begin_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """Expands the pool by the nodes it does not know."""
        del backbone
        later = context.index > 0
        if later and self.tune == "new":
            self.pool.settle()
        if self.expand or not later:
            self.pool.grow(context.current.period.node_ids)

    def select_nodes(self, node_ids: Sequence[str]) -> None:
        """Finds the rows of these nodes in the pool."""
        self.rows = self.pool.rows(node_ids).to(self.rows.device)

    def adapt_input(self, inputs: Inputs) -> Inputs:
        """Gives each node its prompt."""
        rows = self.rows if inputs.nodes is None else self.rows[inputs.nodes]
        return inputs.with_prompt(self.pool(rows))
