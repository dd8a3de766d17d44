"""k-means, seeded and small."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def k_means(
    points: Float[Tensor, "point width"], num_clusters: int, *, seed: int, max_steps: int = 100
) -> Float[Tensor, "cluster width"]:
    """Centres by Lloyd's algorithm from a k-means++ start; at most one per different point.

    Example:
        >>> k_means(torch.tensor([[0.0], [1.0], [9.0], [11.0]]), 2, seed=0).sort(0).values
        tensor([[ 0.5000],
                [10.0000]])
    """
    centres = _spread_start(points, num_clusters, seed)
    for _ in range(max_steps if len(centres) else 0):
        label = nearest(points, centres)
        count = torch.bincount(label, minlength=len(centres))
        total = torch.zeros_like(centres).index_add(0, label, points)
        mean = total / count.clamp_min(1)[:, None]
        moved = torch.where(count[:, None] > 0, mean, centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres


def nearest(
    points: Float[Tensor, "point width"], centres: Float[Tensor, "cluster width"]
) -> Int[Tensor, " point"]:
    """Row of the centre closest to each point.

    Example:
        >>> nearest(torch.tensor([[0.1], [4.0]]), torch.tensor([[0.0], [5.0]]))
        tensor([0, 1])
    """
    return torch.cdist(points, centres).argmin(1)


def _spread_start(points: Tensor, num_clusters: int, seed: int) -> Tensor:
    """Points drawn one after another, each with the square of its distance to those drawn."""
    generator = torch.Generator().manual_seed(seed % 2**63)
    chance = torch.ones(len(points), dtype=torch.float64)
    drawn: list[int] = []
    while len(drawn) < num_clusters and chance.sum() > 0:
        drawn.append(int(torch.multinomial(chance, 1, generator=generator)))
        away = (points - points[drawn[-1]]).double().square().sum(1)
        chance = away if len(drawn) == 1 else torch.minimum(chance, away)
    return points[drawn].clone()
