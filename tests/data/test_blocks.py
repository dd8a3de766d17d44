"""Pages of a mapped file leave memory; what is not a file stays as it is."""

import sys

import numpy as np
import pytest
import torch

from eac.data.core.blocks import drop_pages

SHAPE = (1 << 10, 1 << 12)


def of_files():
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("RssFile"))


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "series.npy", np.ones(SHAPE, np.float32))
    return tmp_path / "series.npy"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_pages_of_a_mapped_file_leave_memory_and_come_back(path):
    series = torch.from_numpy(np.load(path, mmap_mode="r"))
    assert series.sum() == series.numel()
    held = of_files()
    drop_pages(series, None)
    assert of_files() < held - 0.8 * series.nbytes / 1024
    assert series.sum() == series.numel()


@pytest.mark.parametrize("mode", ["r+", "c"])
def test_nothing_that_was_written_is_lost(path, mode):
    series = torch.from_numpy(np.load(path, mmap_mode=mode))
    series[:] = 2
    drop_pages(series)
    assert series.sum() == 2 * series.numel()


def test_memory_that_is_no_file_is_kept():
    held = torch.arange(1 << 22)
    drop_pages(held, held[5:9])
    assert torch.equal(held, torch.arange(1 << 22))
