"""STBP: a frozen backbone and a bank of node patterns that expands."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from eac.backbones.base import Backbone
from eac.checks import check_shares
from eac.data.batches.batch import Inputs
from eac.nn.linear_attention import ContextBlock
from eac.nn.prompt_pool import PromptPool
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy


class STBP(Strategy):
    """A contextual pattern bank on a frozen backbone (STBP, ICLR 2026); O(nodes).

    Each node owns a gate, a scale and a key, each as wide as the features. They steer one
    attention block between the two halves of the backbone. Period 0 trains everything; later
    periods freeze backbone and block, add rows for new nodes and train the bank. A node that
    returns finds the row it left.

    Published: the block, the bank and its first values U(-0.1, 0.1), what is frozen, and that all
    rows are tuned. With ``STBPBackbone(attention=False)`` this is the published network, but that
    sums over nodes are divided by their weight. Interpretation: on any other backbone the block
    and its bank stand between ``encode`` and ``decode``; a node without a row has the gate zero,
    which leaves its features as they are; ``tune="new"``.

    Args:
        tune: In later periods tune ``all`` rows or those of ``new`` nodes; the latter skips a
            period without new nodes.
        dropout: Inside the block, in training; published 0.2.
        seed: Of the first values of rows; null takes the seed of the run.

    Example:
        >>> import eac
        >>> from eac.backbones.stbp import STBPBackbone
        >>> model = eac.Forecaster(STBPBackbone(), STBP(seed=0))
    """

    def __init__(
        self,
        tune: Literal["all", "new"] = "all",
        *,
        dropout: float = 0.2,
        seed: int | None = None,
    ):
        super().__init__()
        check_shares(dropout=dropout)
        self.tune = tune
        self.dropout = dropout
        self.seed = seed
        # A plain attribute: averaging of weights would average the numbers of a buffer too.
        self.rows = torch.empty(0, dtype=torch.long)

    def attach(self, backbone: Backbone) -> None:
        """The attention block, and an empty bank three times as wide as the features."""
        self.block = ContextBlock(backbone.hidden, self.dropout)
        self.bank = PromptPool(3 * backbone.hidden, None, seed=self.seed)

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """Everything in period 0; the bank later."""
        del backbone
        later = context.index > 0
        nothing_new = later and self.tune == "new" and not context.change.new
        return PeriodPlan(train=not nothing_new, freeze_backbone=later)

    def begin_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """Freezes the block after period 0, and adds a row for each node not yet known."""
        del backbone
        later = context.index > 0
        self.block.requires_grad_(not later)
        self.bank.retire(context.current.period.node_ids)
        self.bank.recall(context.current.period.node_ids)
        if later and self.tune == "new":
            self.bank.freeze_rows()
        if self.seed is None and not self.bank.node_ids:
            self.bank.reseed(context.draws.seed)
        self.bank.grow(context.current.period.node_ids)

    def select_nodes(self, node_ids: Sequence[str]) -> None:
        """Finds the rows of these nodes in the bank."""
        self.bank.recall(node_ids)
        self.rows = self.bank.rows(node_ids)

    def adapt_features(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node hidden"]:
        """Attends between nodes as their gates, scales and keys say."""
        self.rows = self.rows.to(inputs.x.device)
        rows = self.rows if inputs.nodes is None else self.rows[inputs.nodes]
        return self.block(features, self.bank(rows))
