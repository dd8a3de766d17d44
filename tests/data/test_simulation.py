import numpy as np
import pytest

from eac.data.simulator.roads import TURNS, links_within_two_turns, road_network
from eac.data.simulator.simulation import WAVE_RATIO, Cells, Conditions, Load, free_flow, transmit


def f32(*values):
    return np.array(values, np.float32)


def line(num_sections, capacity):
    """Sections one after the other; only the turn straight on exists, at the last none."""
    down = np.full((3, num_sections), num_sections)
    down[1, :-1] = np.arange(1, num_sections)
    up = np.full((3, num_sections), 3 * num_sections)
    up[1, 1:] = num_sections + np.arange(num_sections - 1)
    return Cells(down, up, np.full(num_sections, capacity, np.float32))


def straight_on(cells, demand, open_share=None):
    size = len(cells.capacity)
    exit_share = np.zeros(size, np.float32)
    exit_share[-1] = 1
    turning = (cells.down < size).astype(np.float32)
    return Conditions(demand, turning, exit_share, open_share or np.ones(size, np.float32))


def random_traffic(num_sections=60, seed=0):
    rng = np.random.default_rng(seed)
    network = road_network(num_sections, seed)
    present = network.down < num_sections
    weight = rng.uniform(0.2, 1, present.shape) * present
    turning = (weight / np.maximum(weight.sum(axis=0), 1e-12)).astype(np.float32)
    exit_share = np.where(present.any(axis=0), 0.2, 1).astype(np.float32)
    capacity = rng.uniform(10, 30, num_sections).astype(np.float32)
    cells = Cells(network.down, network.up, capacity)
    load = Load(
        cells.storage * rng.random(num_sections, dtype=np.float32), 5 * np.ones_like(capacity)
    )
    demand = rng.uniform(0, 12, num_sections).astype(np.float32)
    open_share = rng.uniform(0.3, 1, num_sections).astype(np.float32)
    return cells, load, Conditions(demand, turning, exit_share, open_share)


def transmit_by_loops(cells, load, now):
    """The same tick, section by section and in double precision."""
    size = len(cells.capacity)
    sending = [min(load.vehicles[i], cells.capacity[i] * now.open_share[i]) for i in range(size)]
    wish = [
        (i, int(j), float(now.turning[k, i]) * (1 - float(now.exit_share[i])) * sending[i])
        for i in range(size)
        for k, j in enumerate(cells.down[:, i])
        if j < size
    ]
    starting = [min(load.queue[i] + now.demand[i], cells.capacity[i]) for i in range(size)]
    granted = []
    for j in range(size):
        wanted = starting[j] + sum(amount for _, target, amount in wish if target == j)
        jam = 5 * cells.capacity[j]
        receiving = max(0, min(cells.capacity[j], 0.25 * (jam - load.vehicles[j])))
        granted.append(min(1, receiving / wanted))
    vehicles, passed = [float(v) for v in load.vehicles], [0.0] * size
    for i in range(size):
        arrived = sending[i] * float(now.exit_share[i])
        vehicles[i] += starting[i] * granted[i] - arrived
        passed[i] += arrived
        turns = [j for source, j, _ in wish if source == i]
        slowest = min((granted[j] for j in turns), default=1)
        for source, j, amount in wish:
            if source == i:
                vehicles[i] -= amount * slowest
                vehicles[j] += amount * slowest
                passed[i] += amount * slowest
    return vehicles, passed


def test_one_tick_by_hand_on_a_line():
    cells = line(3, 10.0)
    load = Load(f32(8, 46, 30), f32(0, 0, 0))
    after, flow = transmit(cells, load, straight_on(cells, f32(3, 0, 0)))
    # sections 0, 1, 2 send 8, 10, 10; they receive 10, (50 - 46) / 4 = 1, (50 - 30) / 4 = 5
    np.testing.assert_allclose(flow.passed, [1, 5, 10])
    np.testing.assert_allclose(flow.started, [3, 0, 0])
    np.testing.assert_allclose(after.vehicles, [10, 42, 25])


def test_less_than_a_vehicle_waits_where_there_is_room_for_less():
    cells = line(3, 10.0)
    load = Load(f32(0.5, 49, 0), f32(0, 0, 0))
    _, flow = transmit(cells, load, straight_on(cells, f32(0, 0, 0)))
    # half a vehicle wants to enter section 1, which receives (50 - 49) / 4
    np.testing.assert_allclose(flow.passed, [0.25, 10, 0])


def test_a_merge_shares_the_room_in_proportion_to_demand():
    down = np.array([[3, 3, 3], [2, 3, 3], [3, 2, 3]])
    up = np.array([[9, 9, 9], [9, 9, 3], [9, 9, 7]])
    cells = Cells(down, up, f32(20, 20, 12))
    turning = (down < 3).astype(np.float32)
    now = Conditions(f32(0, 0, 0), turning, f32(0, 0, 1), f32(1, 1, 1))
    _, flow = transmit(cells, Load(f32(16, 8, 0), f32(0, 0, 0)), now)
    np.testing.assert_allclose(flow.passed, [8, 4, 0], rtol=1e-6)


def test_a_full_branch_holds_back_the_other_branch_but_not_those_who_arrive():
    down = np.array([[1, 3, 3], [3, 3, 3], [2, 3, 3]])
    up = np.array([[9, 0, 9], [9, 9, 9], [9, 9, 6]])
    cells = Cells(down, up, f32(20, 20, 20))
    turning = np.array([[0.5, 0, 0], [0, 0, 0], [0.5, 0, 0]], np.float32)
    now = Conditions(f32(0, 0, 0), turning, f32(0.2, 1, 1), f32(1, 1, 1))
    after, flow = transmit(cells, Load(f32(20, 100, 0), f32(0, 0, 0)), now)
    np.testing.assert_allclose(flow.passed, [4, 20, 0], atol=1e-5)
    np.testing.assert_allclose(after.vehicles, [16, 80, 0], atol=1e-5)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_tick_equals_the_plain_loop_over_sections(seed):
    cells, load, now = random_traffic(seed=seed)
    after, flow = transmit(cells, load, now)
    vehicles, passed = transmit_by_loops(cells, load, now)
    np.testing.assert_allclose(after.vehicles, vehicles, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(flow.passed, passed, rtol=1e-4, atol=1e-3)


def test_inflow_minus_outflow_is_the_change_of_storage():
    cells, load, now = random_traffic()
    for _ in range(100):
        after, flow = transmit(cells, load, now)
        stored = (after.vehicles + after.queue - load.vehicles - load.queue).sum(dtype=np.float64)
        moved = (now.demand - flow.arrived).sum(dtype=np.float64)
        assert stored == pytest.approx(moved, abs=0.05)
        load = after


def test_no_section_holds_more_than_its_storage_or_less_than_nothing():
    cells, load, now = random_traffic()
    for _ in range(100):
        load, flow = transmit(cells, load, now)
        assert (load.vehicles >= -1e-3).all()
        assert (load.vehicles <= cells.storage * 1.0001).all()
        assert (flow.passed <= cells.capacity * 1.0001).all()


def test_free_traffic_moves_one_section_per_tick():
    cells = line(5, 10.0)
    load = Load(f32(6, 0, 0, 0, 0), np.zeros(5, np.float32))
    for section in range(5):
        np.testing.assert_allclose(load.vehicles, 6 * (np.arange(5) == section))
        load, _ = transmit(cells, load, straight_on(cells, np.zeros(5, np.float32)))


def test_the_queue_behind_an_incident_grows_upstream_and_starves_what_lies_ahead():
    cells = line(8, 10.0)
    demand = np.zeros(8, np.float32)
    demand[0] = 8
    load = Load(np.full(8, 8, np.float32), np.zeros(8, np.float32))
    free = straight_on(cells, demand)
    blocked = Conditions(demand, free.turning, free.exit_share, f32(1, 1, 1, 1, 1, 0.2, 1, 1))
    jammed_since = {}
    load, flow = transmit(cells, load, blocked)
    for tick in range(1, 40):
        load, flow = transmit(cells, load, blocked)
        for section in np.flatnonzero(load.vehicles > 1.5 * cells.capacity):
            jammed_since.setdefault(int(section), tick)
    assert list(jammed_since) == [5, 4, 3, 2, 1, 0][: len(jammed_since)]
    assert len(jammed_since) >= 4
    assert len(set(jammed_since.values())) == len(jammed_since)
    np.testing.assert_allclose(flow.passed[5:], 2, rtol=1e-5)
    for _ in range(60):
        load, flow = transmit(cells, load, free)
    np.testing.assert_allclose(load.vehicles, 8, rtol=0.3)


def test_steady_flow_satisfies_its_balance():
    cells, _, now = random_traffic()
    flow = free_flow(cells.up, now.demand, now.turning, now.exit_share)
    inflow = np.zeros(61)
    for turn in range(3):
        np.add.at(inflow, cells.down[turn], now.turning[turn] * flow * (1 - now.exit_share))
    np.testing.assert_allclose(flow, now.demand + inflow[:60], rtol=1e-3)


def test_turns_are_known_from_both_ends():
    network = road_network(150, seed=4)
    for turn in range(len(TURNS)):
        for section, after in enumerate(network.down[turn]):
            if after < 150:
                assert turn * 150 + section in network.up[:, after]
    assert (network.up < 450).sum() == (network.down < 150).sum()


def test_a_larger_network_keeps_the_sections_of_a_smaller_one():
    small, large = road_network(101, seed=2), road_network(3000, seed=2)
    np.testing.assert_array_equal(small.position, large.position[:101])
    known = small.down < 101
    np.testing.assert_array_equal(small.down[known], large.down[:, :101][known])


def test_links_join_sections_near_each_other_and_grow_linearly():
    pairs, distance = links_within_two_turns(road_network(2000, seed=0))
    assert (pairs[0] != pairs[1]).all()
    assert distance.max() < 4
    assert 4 * 2000 < pairs.shape[1] < 12 * 2000


def test_the_backward_wave_is_slower_than_traffic():
    assert 0.1 < WAVE_RATIO < 0.5
