"""A stream is compared with what its card says."""

from pathlib import Path

import pytest

from eac.cli.commands.data import main
from eac.data.manage.describe import summaries
from eac.data.manage.expect import check_expected
from eac.data.readers.open import open_stream
from eac.errors import StreamError


def _check(folder: Path, text: str) -> int:
    path = folder.parent / "expected.yaml"
    path.write_text(text)
    stream = open_stream(folder)
    return check_expected(path, stream, list(summaries(stream)))


GOOD = "steps_per_day: 288\nperiods: [{name: 9, num_nodes: 2}, {name: '10', num_steps: 5}]\n"


def test_a_stream_as_described_passes_and_the_facts_are_counted(npz_folder):
    # the number of periods, steps per day, two names, one number of nodes, one of steps
    assert _check(npz_folder, GOOD) == 6


def test_all_differences_are_named(npz_folder):
    with pytest.raises(StreamError) as caught:
        _check(npz_folder, GOOD.replace("288", "24").replace("num_nodes: 2", "num_nodes: 7"))
    assert "steps per day is 288, expected 24" in str(caught.value)
    assert "num_nodes of period '9' is 2, expected 7" in str(caught.value)


def test_a_missing_period_and_an_unknown_key_are_named(npz_folder):
    with pytest.raises(StreamError, match="number of periods is 2, expected 1"):
        _check(npz_folder, "periods: [{name: 9}]\n")
    with pytest.raises(StreamError, match="num_node"):
        _check(npz_folder, "periods: [{name: 9, num_node: 2}]\n")


def test_the_command_compares_and_fails_where_it_differs(repository, tmp_path, capsys):
    sample, expected = repository / "datasets" / "sample", tmp_path / "expected.yaml"
    expected.write_text("steps_per_day: 48\n")
    assert main(["check", str(sample), "--expect", str(expected)]) == 0
    assert "1 fact as expected" in capsys.readouterr().out
    expected.write_text("steps_per_day: 24\n")
    assert main(["check", str(sample), "--expect", str(expected)]) == 1
    assert "steps per day is 48, expected 24" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["pems-stream", "air-stream", "energy-stream"])
def test_the_published_streams_have_a_card_and_an_expectation(name, repository):
    folder = repository / "datasets" / name
    assert (folder / "card.md").is_file()
    stream = open_stream(repository / "datasets" / "sample")
    periods = list(summaries(stream))
    with pytest.raises(StreamError, match="is not the stream"):
        check_expected(folder / "expected.yaml", stream, periods)
