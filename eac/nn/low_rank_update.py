"""A low-rank update of a weight, as a parametrization that any module can be given."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.rnn import RNNBase
from torch.nn.utils import parametrize


@dataclass(frozen=True)
class Energy:
    """Sums of squared singular values, of what was to be kept and of what was lost.

    Attributes:
        total: Before truncation.
        lost: Of the singular values left out.

    Example:
        >>> Energy(total=4.0, lost=1.0).kept
        0.75
        >>> (Energy(4.0, 1.0) + Energy(4.0, 0.0)).kept
        0.875
    """

    total: float = 0.0
    lost: float = 0.0

    @property
    def kept(self) -> float:
        """Share of the energy that is kept; 1 where there was none."""
        return 1.0 - self.lost / self.total if self.total > 0 else 1.0

    def __add__(self, other: "Energy") -> "Energy":
        """Both together."""
        return Energy(self.total + other.total, self.lost + other.lost)


class LowRankUpdate(nn.Module):
    """What is added to a frozen weight: ``kept_up kept_down + up down``.

    The first pair is what earlier periods left, the second is trained (Hu et al., ICLR 2022).
    A weight of more than two axes is a matrix of its first axis by all others. Without any rank
    the weight itself is returned. ``down`` acts in directions that are orthogonal to the rows of
    ``held``; ``seen`` is a sketch of the directions that inputs had so far.

    Args:
        rows: Of the matrix.
        columns: Of the matrix.
        table: Whether rows are looked up, so that every input has a row of its own.

    Attributes:
        whole: True where the weight itself is trained, because a pair would be no smaller.

    Example:
        >>> update = LowRankUpdate(4, 3)
        >>> update.renew(torch.ones(2, 3))
        >>> weight = torch.rand(4, 3)
        >>> torch.equal(update(weight), weight)
        True
    """

    def __init__(self, rows: int, columns: int, *, table: bool = False):
        super().__init__()
        self.rows, self.columns, self.table = rows, columns, table
        self.whole = False
        self.kept_up = nn.Parameter(torch.empty(rows, 0), requires_grad=False)
        self.kept_down = nn.Parameter(torch.empty(0, columns), requires_grad=False)
        self.up = nn.Parameter(torch.empty(rows, 0))
        self.down = nn.Parameter(torch.empty(0, columns))
        self.held = nn.Parameter(torch.empty(0, columns), requires_grad=False)
        self.seen = nn.Parameter(torch.empty(0, columns), requires_grad=False)

    @property
    def rank(self) -> int:
        """Of the pair that is trained."""
        return len(self.down)

    @property
    def kept_rank(self) -> int:
        """Of the pair that earlier periods left."""
        return len(self.kept_down)

    def fits(self, rank: int) -> bool:
        """Whether a pair of this rank is smaller than the matrix."""
        return rank * (self.rows + self.columns) < self.rows * self.columns

    def forward(self, weight: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """The weight with the update."""
        if not self.rank and not self.kept_rank:
            return weight
        return weight + self.change().view_as(weight)

    def change(self) -> Float[Tensor, "row column"]:
        """The update as a matrix."""
        up = torch.cat([self.kept_up, self.up], dim=1)
        return up @ torch.cat([self.kept_down, self.free(self.down)])

    @torch.no_grad()
    def compress(self, weight: Float[Tensor, "*shape"], *, energy: float, max_rank: int) -> Energy:
        """Makes both pairs one, the closest of its rank (truncated SVD, Eckart-Young).

        Where a pair of the highest rank would be no smaller than the matrix, all is added to the
        weight in place, and nothing is lost.

        Args:
            weight: What the update is added to.
            energy: Share of the energy to keep with as few singular values as do.
            max_rank: Singular values at most.
        """
        if not self.rank and not self.kept_rank:
            return Energy()
        if not self.fits(max_rank):
            self.merge(weight)
            return Energy()
        left, values, right = torch.linalg.svd(self.change().double(), full_matrices=False)
        squares = values.square()
        total = float(squares.sum())
        rank = min(int((squares.cumsum(0) < energy * total).sum()) + 1, max_rank, len(values))
        rank = rank if total > 0 else 0
        root = values[:rank].sqrt()
        self._put("kept_up", left[:, :rank] * root, trains=False)
        self._put("kept_down", root[:, None] * right[:rank], trains=False)
        self.renew(self.down[:0])
        return Energy(total, float(squares[rank:].sum()))

    @torch.no_grad()
    def renew(self, down: Float[Tensor, "rank column"]) -> None:
        """A new pair to train: this ``down``, and an ``up`` of zeros."""
        self._put("down", down, trains=True)
        self._put("up", down.new_zeros(self.rows, len(down)), trains=True)

    @torch.no_grad()
    def remember(self, gradient: Float[Tensor, "row column"], memory: int) -> None:
        """Adds a gradient of the matrix to the sketch of the directions that inputs had.

        The rows of a gradient are sums of inputs (Saha et al., ICLR 2021). The sketch keeps as
        many singular vectors of all of them, times their values, as ``memory`` allows.
        """
        rows = torch.cat([self.seen.double(), gradient.double()])
        values, right = torch.linalg.svd(rows, full_matrices=False)[1:]
        self._put("seen", (values[:, None] * right)[:memory], trains=False)

    @torch.no_grad()
    def hold(self, energy: float) -> None:
        """Keeps the new pair out of the fewest directions that hold this share of the sketch."""
        values, right = torch.linalg.svd(self.seen.double(), full_matrices=False)[1:]
        squares = values.square()
        below = squares.cumsum(0) - squares < energy * squares.sum()
        self._put("held", right[below & (values > 0)], trains=False)

    @torch.no_grad()
    def merge(self, weight: Float[Tensor, "*shape"]) -> None:
        """Adds the update to the weight in place, and starts from none."""
        weight.copy_(self(weight))
        for name in ("kept_up", "up"):
            self._put(name, getattr(self, name)[:, :0], trains=name == "up")
        for name in ("kept_down", "down", "held"):
            self._put(name, getattr(self, name)[:0], trains=name == "down")

    def free(self, rows: Float[Tensor, "any column"]) -> Float[Tensor, "any column"]:
        """What of these rows is orthogonal to the directions held."""
        return rows - (rows @ self.held.T) @ self.held if len(self.held) else rows

    def _put(self, name: str, value: Tensor, *, trains: bool) -> None:
        like = getattr(self, name)
        setattr(self, name, nn.Parameter(value.to(like).clone().contiguous(), requires_grad=trains))

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):
        """Takes the saved sizes first: an update is as large as what it loads."""
        for name in ("kept_up", "kept_down", "up", "down", "held", "seen"):
            saved, own = state_dict.get(prefix + name), getattr(self, name)
            if saved is not None and own.shape != saved.shape:
                sized = nn.Parameter(own.new_empty(saved.shape), own.requires_grad)
                setattr(self, name, sized)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def give_updates(module: nn.Module) -> None:
    """Gives each linear map inside a module an update without any rank.

    Linear maps are weights of two axes or more, of whatever layer: dense, convolution, attention,
    recurrent, table of embeddings, or a bare parameter. Scales of normalisations are none.
    A class keeps its name. A state from when tables had no updates is taken up too.

    Example:
        >>> layer = nn.Linear(4, 3)
        >>> give_updates(layer)
        >>> layer(torch.ones(1, 4)).shape, sorted(updates(layer))
        (torch.Size([1, 3]), ['weight'])
    """
    for part in list(module.modules()):
        if isinstance(part, _NO_MAPS):
            continue
        for name, weight in list(part.named_parameters(recurse=False)):
            if weight.ndim >= 2 and weight.is_floating_point():
                table = isinstance(part, _TABLES)
                update = LowRankUpdate(len(weight), weight[0].numel(), table=table).to(weight)
                _parametrize(part, name, update)


def updates(module: nn.Module) -> dict[str, tuple[LowRankUpdate, nn.Parameter]]:
    """Each update inside a module with the weight it is added to, by the name of the weight.

    Example:
        >>> layer = nn.Linear(4, 3)
        >>> give_updates(layer)
        >>> {name: tuple(weight.shape) for name, (update, weight) in updates(layer).items()}
        {'weight': (3, 4)}
    """
    found = {}
    for name, part in module.named_modules():
        if isinstance(part, parametrize.ParametrizationList):
            update, weight = part[0], part.get_parameter("original")
            if isinstance(update, LowRankUpdate):
                found[name.replace("parametrizations.", "")] = (update, weight)
    return found


_TABLES = (nn.Embedding, nn.EmbeddingBag)
_NO_MAPS = (
    nn.LayerNorm,
    nn.RMSNorm,
    LowRankUpdate,
    parametrize.ParametrizationList,
)


def _parametrize(part: nn.Module, name: str, update: LowRankUpdate) -> None:
    before = type(part)
    parametrize.register_parametrization(part, name, update)
    now = type(part)
    if now is not before:
        now.__name__, now.__qualname__ = before.__name__, before.__qualname__
        now.__module__ = before.__module__
    if isinstance(part, _TABLES):
        part.register_load_state_dict_pre_hook(partial(_take_plain, name))
    if isinstance(part, RNNBase) and now is not before:
        part.register_forward_pre_hook(_show_weights)
        part.register_forward_hook(_hide_weights)
        part.__dict__["_init_flat_weights"] = _nothing


def _take_plain(
    name: str, part: nn.Module, state: dict[str, Any], prefix: str, *rest: object
) -> None:
    """Makes of a weight that was saved without an update one that has an update without a rank."""
    del rest
    weight = state.pop(prefix + name, None)
    if weight is not None:
        parametrized = f"{prefix}parametrizations.{name}"
        state[f"{parametrized}.original"] = weight
        for key, value in LowRankUpdate(len(weight), weight[0].numel()).state_dict().items():
            state[f"{parametrized}.0.{key}"] = value.to(weight)


def _show_weights(part: nn.Module, inputs: object) -> None:
    """Gives a recurrent layer, which keeps a list of its own, the weights with their updates."""
    del inputs
    names = vars(part)["_flat_weights_names"]
    part.__dict__["_flat_weights"] = [getattr(part, name) for name in names]
    part.__dict__["_flat_weight_refs"] = [None] * len(names)


def _hide_weights(part: nn.Module, inputs: object, outputs: object) -> None:
    """Takes them away again, since tensors in the middle of a graph cannot be copied."""
    del inputs, outputs
    part.__dict__["_flat_weights"] = []


def _nothing() -> None:
    """A recurrent layer is shown its weights when it runs."""
