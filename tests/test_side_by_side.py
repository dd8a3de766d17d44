"""Work in threads: in order, with the same result as one piece after the other, nothing hidden."""

import threading

import pytest
import torch

from eac.cpu import Behind, side_by_side


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


def test_pieces_are_done_in_order_behind_the_caller(threads):
    behind, seen, gate = Behind(), [], threading.Event()
    behind.begin(lambda: (gate.wait(10), seen.append(0)))
    assert seen == []
    gate.set()
    behind.begin(lambda: seen.append(torch.get_num_threads()))
    behind.end()
    assert seen == [0, 1]
    assert torch.get_num_threads() == threads
    behind.begin(lambda: seen.append(2))  # it may begin again
    behind.end()
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_what_is_done_behind_records_gradients_as_the_caller_does(mode):
    behind, seen = Behind(), []
    with mode():
        behind.begin(lambda: seen.append((torch.is_grad_enabled(), torch.ones(1).is_inference())))
        behind.end()
    assert seen == [(mode is torch.enable_grad, mode is torch.inference_mode)]


@pytest.mark.parametrize("then", [lambda b: b.end(), lambda b: b.begin(lambda: None)])
def test_what_a_piece_raises_reaches_the_caller(then):
    behind = Behind()
    behind.begin(lambda: [][0])
    with pytest.raises(IndexError):
        then(behind)
    behind.end()  # said once
