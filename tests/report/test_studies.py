"""The studies behind node prompts, on small arrays and a run directory written by hand."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from eac.cli.main import main
from eac.errors import CheckpointError
from eac.report.common.studies import (
    cumulative_energy,
    dispersion_across,
    dispersion_within,
    mean_day,
    read_prompts,
)


def test_dispersion_equals_the_mean_over_all_pairs():
    features = np.random.default_rng(0).normal(size=(5, 3))
    pairs = [((a - b) ** 2).sum() for a in features for b in features]
    assert dispersion_within(features) == pytest.approx(np.mean(pairs))


def test_nodes_without_readings_in_some_slot_are_left_out():
    day = mean_day(np.array([[1.0, np.nan], [2.0, 4.0]]), np.array([0, 1]), 2)
    np.testing.assert_array_equal(day, [[1.0, 2.0], [np.nan, 4.0]])
    assert dispersion_within(day) == 0.0
    assert dispersion_across(day, day + 1.0) == 2.0


def test_energy_of_a_matrix_of_rank_one_is_all_in_the_first_direction():
    energy = cumulative_energy(np.outer(np.arange(1.0, 5.0), np.ones(3)))
    np.testing.assert_allclose(energy, 1.0)


def _write_period(folder, base, tensors):
    folder.mkdir(parents=True)
    save_file(tensors, folder / "state.safetensors")
    (folder / "card.json").write_text(json.dumps({"base": base}))


@pytest.mark.parametrize("pool", ["strategy.pool.", "strategy.strategy.pool."])
def test_prompts_are_completed_from_the_base_period(tmp_path, capsys, pool):
    basis, rows = np.array([[2.0, 0.0], [0.0, 1.0]]), np.eye(2)
    first = {f"{pool}settled": rows[:0], f"{pool}node_factor": rows, f"{pool}basis": basis}
    _write_period(tmp_path / "period-00-a", None, first)
    _write_period(tmp_path / "period-01-b", "period-00-a", {f"{pool}settled": rows})
    np.testing.assert_array_equal(read_prompts(tmp_path / "period-00-a"), basis)
    assert read_prompts(tmp_path / "period-01-b").shape == (4, 2)
    assert main(["study", "spectrum", str(tmp_path)]) == 0
    assert "period-00-a,2,1,0.800000" in capsys.readouterr().out


def test_a_run_without_prompts_is_refused(tmp_path):
    _write_period(tmp_path / "period-00-a", None, {"backbone.weight": np.ones(2)})
    with pytest.raises(CheckpointError, match="no pool of node prompts"):
        read_prompts(tmp_path / "period-00-a")


def test_heterogeneity_of_the_sample_stream_is_larger_between_nodes_than_over_time(
    repository, capsys
):
    assert main(["study", "heterogeneity", str(repository / "datasets" / "sample")]) == 0
    rows = [line.split(",") for line in capsys.readouterr().out.splitlines()[1:]]
    assert [int(row[1]) for row in rows] == [30, 32, 35, 40, 45]
    assert all(float(row[2]) > float(row[4]) for row in rows[1:])
