import torch

from eac.continual.clustering import k_means, nearest


def test_separate_groups_are_found():
    groups = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    points = (groups[:, None] + torch.randn(3, 20, 2) * 0.1).flatten(0, 1)
    label = nearest(points, k_means(points, 3, seed=1)).view(3, 20)
    assert (label == label[:, :1]).all()
    assert len(label[:, 0].unique()) == 3


def test_centres_are_the_means_of_their_points():
    points = torch.randn(60, 4)
    centres = k_means(points, 5, seed=0)
    label = nearest(points, centres)
    for cluster in range(5):
        assert torch.allclose(points[label == cluster].mean(0), centres[cluster], atol=1e-5)


def test_there_are_no_more_clusters_than_different_points():
    points = torch.tensor([[1.0], [1.0], [2.0]])
    assert k_means(points, 24, seed=0).sort(0).values.tolist() == [[1], [2]]
    assert k_means(points[:0], 24, seed=0).shape == (0, 1)


def test_the_seed_decides():
    points = torch.randn(200, 3)
    assert torch.equal(k_means(points, 8, seed=4), k_means(points, 8, seed=4))
    assert not torch.equal(k_means(points, 8, seed=4), k_means(points, 8, seed=5))
