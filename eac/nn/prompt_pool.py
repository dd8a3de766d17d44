"""The prompt pool: one vector per node, expanded for new nodes, compressed by its rank."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from eac.checks import check_least
from eac.data.core.archive import Archive
from eac.errors import CheckpointError, ConfigError
from eac.nn.guard import Guard

INIT_RANGE = 0.1
"""Prompts start from U(-0.1, 0.1), as published."""


class PromptPool(nn.Module):
    """Per-node prompts ``P = U V`` that grow by node id.

    ``U`` (``node_factor``) has one row per node ever seen; ``V`` (``basis``) is shared. Without a
    rank there is no ``V`` and ``P = U``. A node's first row depends on the seed and its id alone,
    so the order in which nodes are listed changes nothing (the published protocol places its own).
    Rows moved aside by ``freeze_rows`` (stored
    in ``settled``) are never tuned again. Rows of nodes that are gone may be put into an archive
    (``retire``), from which they come back as they were (``recall``).

    Args:
        width: Values in one prompt.
        rank: Columns of ``U``. The paper uses 6 (its sweep: 2 to 12); None keeps full prompts.
        seed: Of the first values; None takes torch's own seed at this moment.

    Example:
        >>> pool = PromptPool(width=12, rank=6)
        >>> pool.grow(["a", "b"])
        2
        >>> pool(pool.rows(["b", "a", "stranger"])).shape  # a stranger's prompt is zero
        torch.Size([3, 12])
    """

    def __init__(self, width: int, rank: int | None = 6, *, seed: int | None = None):
        super().__init__()
        if rank is not None and not 1 <= rank <= width:
            raise ConfigError(
                f"rank={rank} with prompts of width {width}: give a rank between 1 and the width, "
                "or null for uncompressed prompts."
            )
        self.width = width
        self._seed = torch.initial_seed() if seed is None else seed
        self._row_of: dict[str, int] = {}
        self._archive = Archive()
        self._guard: Guard | None = None
        columns = width if rank is None else rank
        self.settled = nn.Parameter(torch.empty(0, columns), requires_grad=False)
        self.node_factor = nn.Parameter(torch.empty(0, columns))
        self.basis = None if rank is None else nn.Parameter(self._first_values(["basis"], rank))

    @property
    def node_ids(self) -> list[str]:
        """Ids in order of their rows."""
        return list(self._row_of)

    @property
    def rank(self) -> int | None:
        """Columns of ``U``, or None for uncompressed prompts."""
        return None if self.basis is None else self.basis.shape[0]

    def grow(self, node_ids: Sequence[str]) -> int:
        """Adds a row for each id not yet known and returns how many were added."""
        unknown = [node for node in dict.fromkeys(node_ids) if node not in self._row_of]
        if unknown:
            first = len(self._row_of)
            self._row_of.update({node: first + i for i, node in enumerate(unknown)})
            fresh = self._first_values(unknown, 1)[:, : self.node_factor.shape[1]]
            joined = torch.cat([self.node_factor.detach(), fresh.to(self.node_factor)])
            self.node_factor = nn.Parameter(joined, self.node_factor.requires_grad)
        return len(unknown)

    @property
    def archived(self) -> list[str]:
        """Ids of the nodes whose rows are in the archive."""
        return [node for node in self._archive if node not in self._row_of]

    def retire(self, present: Sequence[str]) -> None:
        """Puts the rows of all nodes but these into the archive."""
        there = set(present)
        gone = [node for node in self._row_of if node not in there]
        if not gone:
            return
        self._archive.put(gone, {"factor": self.factors(gone).cpu()})
        rows = self.rows([node for node in self._row_of if node in there])
        rows, old = rows.to(self.node_factor.device), len(self.settled)
        settled = self.settled.detach()[rows[rows < old]]
        tuned = self.node_factor.detach()[rows[rows >= old] - old]
        self.settled = nn.Parameter(settled, requires_grad=False)
        self.node_factor = nn.Parameter(tuned, self.node_factor.requires_grad)
        kept = [node for node in self._row_of if node in there]
        self._row_of = {node: row for row, node in enumerate(kept)}

    def recall(self, node_ids: Sequence[str]) -> None:
        """Brings back the rows of those nodes that are in the archive, behind the others."""
        absent = (node for node in dict.fromkeys(node_ids) if node not in self._row_of)
        back = [node for node in absent if node in self._archive]
        if not back:
            return
        # they stay in the archive, for whoever puts back a state without them
        factor = self._archive.rows(back)["factor"].to(self.node_factor)
        first = len(self._row_of)
        self._row_of.update({node: first + i for i, node in enumerate(back)})
        joined = torch.cat([self.node_factor.detach(), factor])
        self.node_factor = nn.Parameter(joined, self.node_factor.requires_grad)

    def remember(self, state: Mapping[str, Any], node_ids: Sequence[str]) -> None:
        """Archives what the state of an earlier period knew of nodes that are not known here.

        Args:
            state: ``settled`` and ``node_factor`` of a pool.
            node_ids: Ids of their rows.
        """
        row = {node: i for i, node in enumerate(node_ids)}
        absent = [n for n in node_ids if n not in self._row_of and n not in self._archive]
        factor = torch.cat([state["settled"], state["node_factor"]])
        self._archive.put(absent, {"factor": factor[[row[node] for node in absent]]})

    @torch.no_grad()
    def factors(self, node_ids: Sequence[str]) -> Float[Tensor, "node column"]:
        """Rows of ``U`` of nodes that the pool knows."""
        return self._all_rows()[self.rows(node_ids).to(self.node_factor.device)]

    @torch.no_grad()
    def place(self, node_ids: Sequence[str], factors: Float[Tensor, "node column"]) -> None:
        """Gives nodes these rows of ``U``; they must be among those that are tuned."""
        rows = self.rows(node_ids) - len(self.settled)
        if (rows < 0).any():
            node = node_ids[int((rows < 0).nonzero()[0, 0])]
            raise ConfigError(
                f"node {node!r} has no row in the prompt pool that is tuned. Grow the pool by it."
            )
        self.node_factor[rows.to(self.node_factor.device)] = factors.to(self.node_factor)

    @torch.no_grad()
    def reseed(self, seed: int) -> None:
        """Draws by another seed from now on, the basis included; for a pool without rows."""
        if self._row_of:
            raise ConfigError("reseed: this prompt pool has rows already. Seed it before it grows.")
        self._seed = seed
        if self.basis is not None:
            self.basis.copy_(self._first_values(["basis"], len(self.basis)))

    def fence(self, guard: Guard | None) -> None:
        """Keeps what is learned from now on inside ``guard``; what was learned stays as it is."""
        with torch.no_grad():
            if self._guard is not None:
                self.node_factor.copy_(self._guard.factor(self.node_factor))
                if self.basis is not None:
                    self.basis.copy_(self._guard.basis(self.basis))
        self._guard = guard

    def freeze_rows(self) -> None:
        """Moves every row aside and fixes ``V``: only rows added from now on are tuned."""
        self.settled = nn.Parameter(self._all_rows().detach(), requires_grad=False)
        self.node_factor = nn.Parameter(self.node_factor.detach()[:0])
        if self.basis is not None:
            self.basis.requires_grad_(False)

    def free_rows(self) -> None:
        """Takes back what ``freeze_rows`` did: every row and ``V`` are tuned again."""
        every = self._all_rows().detach()
        self.settled = nn.Parameter(every[:0], requires_grad=False)
        self.node_factor = nn.Parameter(every)
        if self.basis is not None:
            self.basis.requires_grad_(True)

    def rows(self, node_ids: Sequence[str]) -> Int[Tensor, " node"]:
        """Row of each id; -1 for an id the pool does not know."""
        return torch.tensor([self._row_of.get(node, -1) for node in node_ids], dtype=torch.long)

    def forward(self, rows: Int[Tensor, "*batch node"]) -> Float[Tensor, "*batch node width"]:
        """The prompts of the nodes in ``rows``; zero where the row is -1."""
        factor = self._all_rows()
        chosen = factor[rows.clamp_min(0)] if len(factor) else factor.new_zeros(*rows.shape, 1)
        chosen = chosen * (rows >= 0)[..., None].to(factor.dtype)
        if not len(factor):
            return chosen.expand(*rows.shape, self.width)
        return chosen if self.basis is None else chosen @ self._basis_in_use()

    @torch.no_grad()
    def prompts(self) -> Float[Tensor, "node width"]:
        """Every prompt, in order of rows."""
        factor = self._all_rows()
        return factor.clone() if self.basis is None else factor @ self._basis_in_use()

    @torch.no_grad()
    def spectrum(self) -> Float[Tensor, " width"]:
        """Singular values of ``U V``, largest first; their squares are the energy."""
        return torch.linalg.svdvals(self.prompts())

    @torch.no_grad()
    def compress(self, *, rank: int | None = None, energy: float | None = None) -> int:
        """Replaces ``U V`` by the closest product of a lower rank (truncated SVD, Eckart-Young).

        Args:
            rank: The new rank; or
            energy: keep the smallest rank whose singular values hold this share of the energy.

        Returns:
            The new rank.
        """
        if (rank is None) == (energy is None):
            raise ConfigError(f"compress(rank={rank}, energy={energy}): give one of the two.")
        left, values, right = torch.linalg.svd(self.prompts(), full_matrices=False)
        if energy is not None:
            share = values.square().cumsum(0) / values.square().sum().clamp_min(1e-30)
            rank = int((share < energy - 1e-9).sum()) + 1
        check_least(1, rank=rank)
        rank = min(rank or 1, len(values))
        root = values[:rank].sqrt()
        factor, old = left[:, :rank] * root, len(self.settled)
        self.settled = nn.Parameter(factor[:old], requires_grad=False)
        self.node_factor = nn.Parameter(factor[old:], self.node_factor.requires_grad)
        self.basis = nn.Parameter(root[:, None] * right[:rank])
        return rank

    def get_extra_state(self) -> dict[str, Any]:
        """The node ids, in order of their rows, and the seed."""
        return {"node_ids": self.node_ids, "seed": self._seed}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Takes over the node ids, whose number must fit the rows, and the seed."""
        ids = state["node_ids"]
        if len(ids) != len(self.settled) + len(self.node_factor):
            raise CheckpointError(
                f"the saved prompt pool lists {len(ids)} node ids but holds "
                f"{len(self.settled) + len(self.node_factor)} rows. The file is damaged."
            )
        self._row_of = {node: row for row, node in enumerate(ids)}
        self._seed = state["seed"]
        if not ids:  # as it was built
            self._archive.clear()

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):
        """Takes the saved sizes first: a pool is as large as what it loads."""
        for name in ("settled", "node_factor", "basis"):
            saved, own = state_dict.get(prefix + name), getattr(self, name)
            if saved is not None and (own is None or own.shape != saved.shape):
                fresh = torch.empty_like(saved, device=self.node_factor.device)
                trains = own is None or own.requires_grad
                setattr(self, name, nn.Parameter(fresh, requires_grad=trains))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _all_rows(self) -> Float[Tensor, "node column"]:
        tuned = self.node_factor if self._guard is None else self._guard.factor(self.node_factor)
        return torch.cat([self.settled, tuned]) if len(self.settled) else tuned

    def _basis_in_use(self) -> Float[Tensor, "column width"]:
        basis = self.get_parameter("basis")
        return basis if self._guard is None else self._guard.basis(basis)

    def _first_values(self, names: Sequence[str], per_name: int) -> Float[Tensor, "row width"]:
        """U(-0.1, 0.1) from a hash of (seed, name): independent of any order."""
        length = per_name * self.width * 4
        raw = b"".join(_stream_of_bytes(f"{self._seed}:{name}", length) for name in names)
        uniform = np.frombuffer(raw, dtype="<u4").astype(np.float64) / 2**32
        values = torch.from_numpy((2 * uniform - 1) * INIT_RANGE).float()
        return values.reshape(len(names) * per_name, self.width)


def _stream_of_bytes(text: str, length: int) -> bytes:
    blocks = (
        blake2b(text.encode(), digest_size=64, salt=block.to_bytes(8, "little")).digest()
        for block in range(-(-length // 64))
    )
    return b"".join(blocks)[:length]
