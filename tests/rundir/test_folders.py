"""Names of periods are data: any name is one folder inside the run, found again in order."""

import pytest

from eac.records.folders import PERIOD_FILE, done_folders, period_folder

NAMES = ["a/b", "x/../../../escaped", "..", "tab\tline\n", "ä ö", "n" * 400, "100%", "a\\b", ""]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_one_folder_directly_in_the_run(tmp_path, name):
    folder = period_folder(tmp_path, 0, name)
    folder.mkdir()
    (folder / PERIOD_FILE).write_text("{}")
    assert folder.parent == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert done_folders(tmp_path) == [(0, folder)]


def test_periods_with_names_alike_have_folders_of_their_own(tmp_path):
    names = ["a/b", "a%2Fb", "A/B", "n" * 400, "n" * 401]
    assert len({period_folder(tmp_path, i, n).name.lower() for i, n in enumerate(names)}) == 5


def test_more_than_a_hundred_periods_stay_in_order(tmp_path):
    for index in (2, 10, 99, 100, 101, 1000):
        folder = period_folder(tmp_path, index, "p")
        folder.mkdir()
        (folder / PERIOD_FILE).write_text("{}")
    assert [index for index, _ in done_folders(tmp_path)] == [2, 10, 99, 100, 101, 1000]


def test_a_folder_of_an_older_version_is_found(tmp_path):
    older = tmp_path / "period-00-50%25"
    older.mkdir()
    assert period_folder(tmp_path, 0, "50%25") == older
