"""Parts are worked on side by side, in order, with the same result as one after the other."""

import threading

import pytest
import torch

from eac.cpu import side_by_side


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_order_and_do_not_depend_on_threads(threads):
    parts = torch.randn(7, 50, 50, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = side_by_side(lambda part: part @ part, parts)
        assert all(torch.equal(one, part @ part) for one, part in zip(found, parts, strict=True))
    assert len(found) == 7
    assert torch.get_num_threads() == threads


def test_each_part_is_computed_by_one_thread_alone(threads):
    with torch.no_grad():
        seen = side_by_side(
            lambda _: (threading.get_ident(), torch.get_num_threads()), list(range(20))
        )
    mine = threading.get_ident()
    assert all(count == 1 for _, count in seen)
    assert threads == 1 or mine not in {thread for thread, _ in seen}


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_no_part_records_gradients(threads, mode):
    weight = torch.ones(3, requires_grad=True)
    with mode():
        found = side_by_side(lambda part: weight * part, [torch.ones(3)] * 4)
    assert not any(one.requires_grad for one in found)
    assert {one.is_inference() for one in found} == {mode is torch.inference_mode}


def test_gradients_are_kept_where_they_are_wanted(threads):
    weight = torch.ones(3, requires_grad=True)
    sum(side_by_side(lambda part: (weight * part).sum(), [torch.ones(3)] * 4)).backward()
    assert weight.grad.tolist() == [4.0, 4.0, 4.0]


def test_what_a_part_raises_is_raised(threads):
    def fail(part):
        if part == 2:
            raise ValueError("the third part")
        return part

    with torch.no_grad(), pytest.raises(ValueError, match="the third part"):
        side_by_side(fail, range(5))
    assert torch.get_num_threads() == threads
