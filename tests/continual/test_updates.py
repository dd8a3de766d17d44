"""Low-rank updates: how they are compressed, and what is open to training."""

import numpy as np
import pytest
import torch
from torch import nn

from eac.continual.updates import (
    Compression,
    Expansion,
    begin_updates,
    merge_updates,
    open_updates,
)
from eac.errors import ConfigError
from eac.nn.low_rank_update import give_updates, updates


def layer(rows=8, columns=10):
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(columns, rows), nn.LayerNorm(rows))
    give_updates(made)
    return made.requires_grad_(False)


def train(module, seed):
    torch.manual_seed(seed)
    for update, _ in updates(module).values():
        update.up.data.normal_()


def test_compression_is_numpys_truncated_svd_and_says_what_it_lost():
    module, settings = layer(), Compression(energy=1.0, max_rank=2)
    begin_updates(module, 3, settings, seed=1)
    train(module, 1)
    [(update, weight)] = updates(module).values()
    change = (update(weight) - weight).detach().double().numpy()
    record = begin_updates(module, 3, settings, seed=2)
    left, values, right = np.linalg.svd(change)
    expected = (left[:, :2] * values[:2]) @ right[:2]
    got = (update.kept_up @ update.kept_down).detach().numpy()
    np.testing.assert_allclose(got, expected, atol=1e-5)
    lost = values[2] ** 2 / (values**2).sum()
    assert record.energy_lost == pytest.approx(lost, rel=1e-4)
    assert (record.rank, record.kept_rank, record.kept_parameters) == (3, 2, 2 * 18)


def test_as_few_directions_are_kept_as_hold_the_energy():
    module = layer()
    begin_updates(module, 3, Compression(), seed=1)
    [(update, _)] = updates(module).values()
    with torch.no_grad():
        update.down.copy_(torch.eye(10)[:3])
        update.up.copy_(torch.eye(8)[:, :3] * torch.tensor([10.0, 3.0, 1.0]))  # 100, 9, 1 of 110
    record = begin_updates(module, 1, Compression(energy=0.98, max_rank=4), seed=2)
    assert record.kept_rank == 2
    assert record.energy_kept == pytest.approx(109 / 110)


def test_directions_that_hold_just_the_energy_asked_for_are_enough():
    module = layer()
    begin_updates(module, 2, Compression(), seed=1)
    [(update, _)] = updates(module).values()
    with torch.no_grad():
        update.down.copy_(torch.eye(10)[:2])
        update.up.copy_(torch.eye(8)[:, :2] * torch.tensor([4.0, 2.0]))  # 16 and 4 of 20
    assert begin_updates(module, 1, Compression(energy=0.8, max_rank=4), seed=2).kept_rank == 1


def test_a_matrix_that_a_pair_would_not_make_smaller_is_trained_whole():
    module = layer(3, 4)
    record = begin_updates(module, 2, Compression(), seed=0)
    open_updates(module)
    trained = {name for name, p in module.named_parameters() if p.requires_grad and p.numel()}
    assert record.rank == 0
    assert trained == {"0.bias", "0.parametrizations.weight.original", "1.weight", "1.bias"}


def test_pairs_and_vectors_are_open_and_matrices_are_not():
    module = layer()
    begin_updates(module, 2, Compression(), seed=0)
    open_updates(module)
    trained = {name for name, p in module.named_parameters() if p.requires_grad}
    pair = {f"0.parametrizations.weight.0.{name}" for name in ("up", "down")}
    assert trained == {"0.bias", "1.weight", "1.bias"} | pair


def test_a_table_of_embeddings_has_an_update_unless_inputs_are_protected():
    table = nn.Sequential(nn.Embedding(20, 10))
    give_updates(table)
    begin_updates(table, 2, Compression(), seed=0)
    train(table, 0)
    [(update, weight)] = updates(table).values()
    expected = weight + update.up @ update.down
    torch.testing.assert_close(table(torch.arange(20)), expected)
    begin_updates(table, 2, Compression(), seed=0, protect=0.5)
    assert update.rank == 0


def test_a_state_from_when_tables_had_no_updates_is_taken_up():
    plain = nn.Sequential(nn.Embedding(5, 4))
    saved = plain.state_dict()
    updated = nn.Sequential(nn.Embedding(5, 4))
    give_updates(updated)
    updated.load_state_dict(saved, strict=True)
    rows = torch.arange(5)
    assert torch.equal(updated(rows), plain(rows))
    assert updates(updated)["0.weight"][0].rank == 0


def test_merging_leaves_no_rank():
    module = layer()
    begin_updates(module, 2, Compression(), seed=0)
    train(module, 0)
    [(update, weight)] = updates(module).values()
    before = update(weight).detach().clone()
    merge_updates(module)
    assert torch.equal(weight, before)
    assert (update.rank, update.kept_rank) == (0, 0)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="max_rank=0"):
        Compression(max_rank=0)
    with pytest.raises(ConfigError, match=r"share=1.5"):
        Expansion(share=1.5)


def test_ranks_go_where_a_number_gains_most_until_the_energy_is_held():
    wide = torch.zeros(10, 30)  # a rank costs 40
    wide[range(3), range(3)] = torch.tensor([8.0, 6.0, 1.0])  # 64, 36, 1
    narrow = torch.diag(torch.tensor([5.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]))  # 25, 16; costs 16
    steep = {"wide": wide, "narrow": narrow}  # gains by number: 1.6, 0.9, 0.03 and 1.6, 1.0
    assert Expansion(energy=0.7).ranks(steep, numbers=200) == {"wide": 1, "narrow": 2}
    assert Expansion(energy=0.99).ranks(steep, numbers=200) == {"wide": 2, "narrow": 2}
    assert Expansion(energy=0.99).ranks(steep, numbers=72) == {"wide": 1, "narrow": 2}
    assert Expansion(energy=0.99, largest=1).ranks(steep, numbers=200) == {"wide": 1, "narrow": 1}


def test_a_period_without_a_gradient_has_no_update():
    assert Expansion().ranks({"a": torch.zeros(8, 8)}, numbers=100) == {"a": 0}


def test_an_update_does_nothing_in_directions_that_are_held():
    module = layer()
    [(update, weight)] = updates(module).values()
    seen = torch.eye(10)[:2] * torch.tensor([[3.0], [1.0]])
    update.remember(torch.rand(8, 2) @ seen, memory=4)
    begin_updates(module, 3, Compression(), seed=0, protect=1.0)
    train(module, 1)
    old, other = torch.eye(10)[:2], torch.eye(10)[2:]
    change = (update(weight) - weight).detach()
    torch.testing.assert_close(old @ change.T, torch.zeros(2, 8), atol=1e-6, rtol=0)
    assert (other @ change.T).abs().amax(1).min() > 1e-3
    open_updates(module)
    assert not module[0].bias.requires_grad


def test_what_is_remembered_of_inputs_is_bounded_and_keeps_the_largest():
    [(update, _)] = updates(layer()).values()
    for scale in (1.0, 10.0, 0.1):
        for direction in torch.eye(10) * torch.arange(10.0, 0.0, -1.0)[:, None]:
            update.remember(scale * direction[None], memory=3)
    assert update.seen.shape == (3, 10)
    directions = torch.nn.functional.normalize(update.seen.detach()).abs()
    torch.testing.assert_close(directions, torch.eye(10)[:3], atol=1e-4, rtol=0)
