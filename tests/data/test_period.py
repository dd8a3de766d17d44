"""Periods: what is refused, what identifies one, and how nodes change between two."""

from dataclasses import replace
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
import torch

from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph, edges_by_id
from eac.data.core.period import NodeChange, Period
from eac.data.core.stream import MemoryStream, node_changes
from eac.errors import StreamError


def period(name: str = "p", ids: str = "abc", steps: int = 4) -> Period:
    series = torch.arange(float(steps * len(ids))).reshape(steps, len(ids))
    graph = edges_by_id(ids, ids[:-1], ids[1:], [1.0 + i for i in range(len(ids) - 1)])
    return Period(name, series, tuple(ids), graph, Calendar(24))


def test_a_period_counts_its_nodes_steps_and_missing_readings():
    series = torch.tensor([[1.0, torch.nan], [2.0, 3.0]])
    p = Period("p", series, ("a", "b"), Graph.empty(2), Calendar(24))

    assert (p.num_nodes, p.num_steps, p.missing_share) == (2, 2, 0.25)


def test_a_duplicated_id_is_named():
    with pytest.raises(StreamError, match="period 'p': node id 'a' is listed 2 times"):
        replace(period(), node_ids=("a", "b", "a"))


def test_an_infinite_reading_names_node_row_and_time():
    series = torch.ones(4, 3)
    series[2, 1] = torch.inf
    hourly = Calendar.from_timestamps(pd.Timestamp("2024-01-01"), pd.Timedelta("1h"))
    with pytest.raises(StreamError, match=r"'b' in row 2 \(2024-01-01 02:00:00\)"):
        replace(period(), series=series, calendar=hourly)


@pytest.mark.parametrize("weight", [-1.0, torch.nan, torch.inf])
def test_a_bad_weight_names_both_ends(weight):
    graph = replace(period().graph, edge_weight=torch.tensor([1.0, weight]))
    with pytest.raises(StreamError, match=r"edge 'b' -> 'c' \(row 1\) has weight"):
        replace(period(), graph=graph)


def test_an_empty_period_is_refused():
    with pytest.raises(StreamError, match="'p' is empty"):
        replace(period(), series=torch.empty(0, 3))


def test_shapes_that_disagree_are_refused():
    with pytest.raises(StreamError, match="period 'p'"):
        replace(period(), node_ids=("a", "b"))
    with pytest.raises(StreamError, match="period 'p'"):
        replace(period(), graph=Graph.empty(2))


def test_permuting_moves_series_ids_graph_and_coordinates_together():
    first = replace(period(), coordinates=torch.tensor([[0.0, 0], [1, 1], [2, 2]]))
    moved = first.permute(torch.tensor([2, 0, 1]))

    assert moved.node_ids == ("c", "a", "b")
    assert moved.series[0].tolist() == [2.0, 0.0, 1.0]
    assert moved.coordinates is not None
    assert moved.coordinates[:, 0].tolist() == [2.0, 0.0, 1.0]
    ends = {(moved.node_ids[a], moved.node_ids[b]) for a, b in moved.graph.edge_index.T.tolist()}
    assert ends == {("a", "b"), ("b", "c")}


def test_permuting_forth_and_back_keeps_the_fingerprint():
    order = torch.tensor([2, 0, 1])

    assert period().permute(order).permute(order.argsort()).fingerprint() == period().fingerprint()


def test_the_fingerprint_sees_every_part():
    base = period()
    series = base.series.clone()
    series[3, 2] += 1
    weight = base.graph.edge_weight * 2
    changed = [
        replace(base, name="q"),
        replace(base, series=series),
        replace(base, node_ids=("a", "b", "d")),
        replace(base, graph=replace(base.graph, edge_weight=weight)),
        replace(base, calendar=Calendar(24, start_slot=1)),
    ]

    assert len({base.fingerprint(), *(p.fingerprint() for p in changed)}) == 6


def test_the_fingerprint_is_that_of_older_runs():
    edges = torch.tensor([[1, 0, 0], [0, 2, 1]])
    one = replace(period(), graph=Graph(3, edges, torch.tensor([1.0, 2.0, 3.0])))
    facts = one.calendar.facts()
    digest = sha256(b"".join(f"{text}\0".encode() for text in (one.name, *one.node_ids, *facts)))
    source, target = one.graph.edge_index.numpy()
    order = np.lexsort((target, source))  # by source, then by target
    digest.update(one.series.numpy().tobytes())
    digest.update(np.stack([source[order], target[order]]).tobytes())
    digest.update(one.graph.edge_weight.numpy()[order].tobytes())
    assert one.fingerprint() == digest.hexdigest()


def test_the_fingerprint_does_not_see_the_order_of_the_edges():
    graph = period().graph
    turned = Graph(3, graph.edge_index.flip(1), graph.edge_weight.flip(0))

    assert replace(period(), graph=turned).fingerprint() == period().fingerprint()


def test_nodes_are_kept_new_returned_or_gone():
    change = NodeChange.between(("b", "a", "d"), previous=("a", "c"), seen={"a", "b", "c"})

    assert change == NodeChange(kept=("a",), new=("d",), returned=("b",), gone=("c",))


def test_changes_are_counted_along_the_stream():
    stream = MemoryStream([period(str(i), ids) for i, ids in enumerate(("ab", "bc", "ca"))])
    changes = [change for _, change in node_changes(stream)]

    assert [c.new for c in changes] == [("a", "b"), ("c",), ()]
    assert changes[2].returned == ("a",)
    assert [c.gone for c in changes] == [(), ("a",), ("b",)]


def test_a_stream_finds_periods_by_position_and_name():
    stream = MemoryStream([period("x"), period("y")])

    assert (len(stream), stream.index_of("y"), stream.index_of(0)) == (2, 1, 0)
    assert stream[-1].name == "y"
    with pytest.raises(StreamError, match=r"no period 'z'\. It has: x, y"):
        stream.index_of("z")
    with pytest.raises(IndexError):
        stream[2]


def test_a_stream_with_two_periods_of_one_name_is_refused():
    with pytest.raises(StreamError, match="different names"):
        MemoryStream([period("x"), period("x")])
