"""A run, a stream or settings from a stranger: nothing of it runs, and nothing is written outside.

Each case makes a pack that tries one thing in a folder of its own, and gives it to the commands.
What an attack would do is to make a file named ``owned``, or to change the folder ``outside``.
"""

import gzip
import hashlib
import io
import json
import os
import pickle
import re
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from eac.records.manifest import seal
from tests.faults.runs import RECIPES

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
EVIL = "import pathlib\npathlib.Path(__file__).parents[1].joinpath('owned').touch()\n"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(c + 1)}: &{chr(c + 1)} [{','.join([f'*{chr(c)}'] * 9)}]\n" for c in range(97, 108)
)
CALL = "!!python/object/apply:os.system ['touch owned']"
TERMINAL = "\x1b[2J\x1b]0;owned\x07\u202e"


class Payload:
    """Makes a file when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch owned",)


class Pack:
    """A folder with a run, and beside it what must stay as it is."""

    def __init__(self, workshop, made, folder):
        self.folder = folder
        self.run = Path(shutil.copytree(made.run, folder / "run"))
        self.stream = made.stream
        self.outside = folder / "outside"
        self.outside.mkdir()
        (self.outside / "mine.txt").write_text("mine")
        self._workshop = workshop
        self.begun = self.run / "period-02-p2"
        readings = pd.date_range("2024-01-01", periods=400, freq="h")
        frame = pd.DataFrame({"unique_id": "a", "ds": readings, "y": np.arange(400) % 24})
        frame.to_csv(folder / "recent.csv", index=False)

    def reseal(self, period):
        """Digests of the files as they are now, as a careful attacker makes them."""
        seal(period, {})

    def unfinish(self):
        """Leaves the last period as one whose training has not ended."""
        shutil.rmtree(self.begun)
        self.begun.mkdir()

    def commands(self):
        """Every command that opens a run."""
        run, recent = str(self.run), str(self.folder / "recent.csv")
        output = str(self.folder / "forecasts.csv")
        yield ["report", run]
        yield ["report", run, "--all"]
        yield ["compare", run, run]
        yield ["doctor", run]
        yield ["predict", "--run", run, "--input", recent, "--output", output]
        yield ["study", "spectrum", run]
        yield ["run", "--resume", run]
        yield ["doctor", run, "--repair"]

    def try_on(self, *commands):
        """Runs the commands; returns how many were refused."""
        refused = 0
        for command in commands or self.commands():
            done = self._workshop.run(*command, cwd=self.folder).check(0, 1, 2)
            assert not CONTROL.search(done.said), command
            assert not list(self.folder.rglob("owned")), command
            assert [p.name for p in self.outside.rglob("*")] == ["mine.txt"], command
            assert (self.outside / "mine.txt").read_text() == "mine", command
            refused += done.status != 0
        return refused


def config_names_a_class(pack):
    text = (pack.run / "config.yaml").read_text()
    text = re.sub(
        r"class_path: \S*STGNN|class_path: \S*SeasonalMLP", "class_path: handed.evil.X", text
    )
    (pack.run / "config.yaml").write_text(text)
    _module(pack)
    pack.reseal(pack.run)


def card_names_a_class(pack):
    for card in pack.run.glob("*/card.json"):
        text = re.sub(r'"class_path":"[\w.]+"', '"class_path":"handed.evil.X"', card.read_text())
        text = re.sub(r'"class_path": "[\w.]+"', '"class_path": "handed.evil.X"', text)
        assert "handed" in text
        card.write_text(text)
        pack.reseal(card.parent)
    _module(pack)


def _module(pack):
    (pack.folder / "handed").mkdir()
    (pack.folder / "handed" / "__init__.py").write_text("")
    (pack.folder / "handed" / "evil.py").write_text(EVIL)


def config_calls(pack):
    text = (pack.run / "config.yaml").read_text()
    (pack.run / "config.yaml").write_text(f"{text}\nextra: {CALL}\n")
    pack.reseal(pack.run)


def config_is_a_bomb(pack):
    (pack.run / "config.yaml").write_text((pack.run / "config.yaml").read_text() + BOMB)
    pack.reseal(pack.run)


def checkpoint_is_a_pickle(pack):
    pack.unfinish()
    for name in ("last.ckpt", "best.ckpt"):
        _checkpoint(pack, name, pickle.dumps({"state_dict": Payload()}))


def checkpoint_holds_a_pickle(pack):
    pack.unfinish()
    for name in ("last.ckpt", "best.ckpt"):
        buffer = io.BytesIO()
        torch.save({"state_dict": Payload(), "epoch": 1}, buffer)
        _checkpoint(pack, name, buffer.getvalue())


def checkpoint_is_a_zip_bomb(pack):
    pack.unfinish()
    for name in ("last.ckpt", "best.ckpt"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({}))
            archive.writestr("archive/version", "3")
            with archive.open("archive/data/0", "w", force_zip64=True) as part:
                for _ in range(300):
                    part.write(bytes(1 << 20))
        _checkpoint(pack, name, buffer.getvalue())


def _checkpoint(pack, name, content):
    (pack.begun / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (pack.begun / f"{name}.sha256").write_text(f"{digest}\n")


def period_is_a_link(pack):
    shutil.rmtree(pack.begun)
    pack.begun.symlink_to(pack.outside)


def log_is_a_link(pack):
    pack.unfinish()
    (pack.begun / "log").symlink_to(pack.outside)


def record_is_a_link(pack):
    path = pack.run / "run.json"
    path.unlink()
    path.symlink_to(pack.outside / "mine.txt")


def page_is_a_link(pack):
    path = pack.run / "report.html"
    path.unlink(missing_ok=True)
    path.symlink_to(pack.outside / "mine.txt")


def lock_is_a_link(pack):
    (pack.run / ".lock").symlink_to(pack.outside / "new.txt")


def base_is_outside(pack):
    shutil.copy(pack.run / "period-00-p0" / "state.safetensors", pack.folder / "state.safetensors")
    for card in pack.run.glob("*/card.json"):
        card.write_text(re.sub(r'"base": ?"[^"]*"', '"base": "../.."', card.read_text()))
        pack.reseal(card.parent)


def state_claims_too_much(pack):
    said = {"x": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}
    text = json.dumps(said).encode()
    content = struct.pack("<Q", len(text)) + text
    for name in ("state", "graph", "calibration", "readings"):
        (pack.begun / f"{name}.safetensors").write_bytes(content)
    pack.reseal(pack.begun)


def header_claims_too_much(pack):
    for name in ("state", "graph", "calibration", "readings"):
        path = pack.begun / f"{name}.safetensors"
        path.write_bytes(struct.pack("<Q", 1 << 62) + b"{}")
    pack.reseal(pack.begun)


def state_is_very_large(pack):
    with (pack.begun / "state.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", 1 << 26))
        file.truncate(1 << 28)
    (pack.begun / "manifest.json").unlink()


def record_is_deep(pack):
    (pack.begun / "metrics.json").write_text("[" * 100_000)
    pack.reseal(pack.begun)


def record_has_odd_numbers(pack):
    text = (pack.begun / "metrics.json").read_text()
    text = re.sub(r'"epochs": ?\d+', '"epochs": 1e400', text, count=1)
    text = re.sub(r'"num_nodes": ?\d+', f'"num_nodes": {"9" * 5000}', text, count=1)
    (pack.begun / "metrics.json").write_text(text)
    pack.reseal(pack.begun)


def names_steer_a_terminal(pack):
    for path in (*pack.run.glob("*/*.json"), pack.run / "run.json"):
        text = path.read_text().replace('"p1"', json.dumps(f"p1{TERMINAL}"))
        path.write_text(text.replace('"tiny"', json.dumps(f"tiny{TERMINAL}<script>")))
    for folder in (*pack.run.glob("period-*"), pack.run):
        pack.reseal(folder)


def settings_name_what_is_not_there(pack):
    text = (pack.run / "config.yaml").read_text()
    text = re.sub(r"stream: \S+", "stream: /proc/self/mem", text)
    (pack.run / "config.yaml").write_text(text)
    pack.reseal(pack.run)


RUNS = [
    config_names_a_class, card_names_a_class, config_calls, config_is_a_bomb,
    checkpoint_is_a_pickle, checkpoint_holds_a_pickle, checkpoint_is_a_zip_bomb,
    period_is_a_link, log_is_a_link, record_is_a_link, page_is_a_link, lock_is_a_link,
    base_is_outside, state_claims_too_much, header_claims_too_much, state_is_very_large,
    record_is_deep, record_has_odd_numbers, names_steer_a_terminal,
    settings_name_what_is_not_there,
]  # fmt: skip


def pickled_array(folder):
    np.savez(folder / "s.npz", x=np.array([Payload()], dtype=object))
    return folder / "s.npz"


def pickled_npy(folder):
    np.save(folder / "s.npy", np.array([Payload()], dtype=object), allow_pickle=True)
    return folder / "s.npy"


def pickle_as_a_table(folder):
    for name in ("s.csv", "s.parquet", "s.npz", "s.xlsx"):
        (folder / name).write_bytes(pickle.dumps(Payload()))
    return folder / "s.parquet"


def array_claims_too_much(folder):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 1), }"
    header += b" " * (118 - len(header)) + b"\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    with zipfile.ZipFile(folder / "s.npz", "w") as archive:
        archive.writestr("x.npy", content)
    return folder / "s.npz"


def packed_zeros(folder):
    with gzip.open(folder / "s.csv.gz", "wb", 9) as file:
        file.write(b"unique_id,ds,y\n")
        for _ in range(150):
            file.write(bytes(1 << 20))
    return folder / "s.csv.gz"


def packed_rows(folder):
    with gzip.open(folder / "s.csv.gz", "wb", 9) as file:
        file.write(b"unique_id,ds,y\n")
        for _ in range(30):
            file.write(b"a,2024-01-01,1\n" * 100_000)
    return folder / "s.csv.gz"


def packed_sheet(folder):
    with zipfile.ZipFile(folder / "s.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(
            "xl/workbook.xml", "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>&b;"
        )
        archive.writestr("xl/worksheets/sheet1.xml", bytes(400 << 20))
    return folder / "s.xlsx"


def settings_are_a_bomb(folder):
    (folder / "s.yaml").write_text(BOMB)
    return _table(folder)


def settings_call(folder):
    (folder / "s.yaml").write_text(f"name: {CALL}\n")
    return _table(folder)


def names_are_paths(folder):
    frame = pd.read_csv(_table(folder))
    frame["period"] = np.where(np.arange(len(frame)) < 300, "../../outside/a", "b\x1b[2J/c")
    frame["unique_id"] = "../../outside/n" + TERMINAL.replace("\x07", "")
    frame.to_csv(folder / "s.csv", index=False)
    return folder / "s.csv"


def names_are_code(folder):
    frame = pd.read_csv(_table(folder))
    names = ["=HYPERLINK(1)", "<script>alert(1)</script>", r"\input{/etc/passwd}", "@SUM(A1)"]
    parts = [frame.assign(unique_id=name) for name in names]
    pd.concat(parts).to_csv(folder / "s.csv", index=False)
    return folder / "s.csv"


def far_stamp(folder):
    with _table(folder).open("a") as file:
        file.write("a,2204-01-01 00:00,1\n")
    return folder / "s.csv"


def many_columns(folder):
    path = folder / "s.csv"
    path.write_text(f"ds,{','.join(map(str, range(1_000_000)))}\n2024-01-01{',1' * 1_000_000}\n")
    return path


def a_pipe(folder):
    os.mkfifo(folder / "s.csv")
    return folder / "s.csv"


def a_link_to_itself(folder):
    (folder / "s.csv").symlink_to(folder / "s.csv")
    return folder / "s.csv"


def _table(folder):
    stamps = pd.date_range("2024-01-01", periods=600, freq="h")
    frame = pd.DataFrame({"unique_id": "a", "ds": stamps, "y": np.arange(600) % 24})
    frame.to_csv(folder / "s.csv", index=False)
    return folder / "s.csv"


STREAMS = [
    pickled_array, pickled_npy, pickle_as_a_table, array_claims_too_much, packed_zeros, packed_rows,
    packed_sheet, settings_are_a_bomb, settings_call, names_are_paths, names_are_code, far_stamp,
    many_columns, a_pipe, a_link_to_itself,
]  # fmt: skip

SETTINGS = (
    f"model: {CALL}",
    f"trainer:\n  callbacks:\n    - {CALL}",
    BOMB,
    "model:\n  backbone:\n    class_path: os.system\n    init_args:\n      command: touch owned",
    "model:\n  backbone:\n    class_path: subprocess.Popen\n    init_args: {args: [touch, owned]}",
    "trainer:\n  callbacks:\n  - class_path: subprocess.Popen\n    init_args: {args: [ls, owned]}",
    "trainer:\n  logger:\n    class_path: os.system\n    init_args: {command: touch owned}",
)


@pytest.fixture
def pack(workshop, whole, tmp_path):
    return Pack(workshop, whole("practical"), tmp_path)


@pytest.mark.parametrize("case", [config_names_a_class, checkpoint_holds_a_pickle, log_is_a_link])
def test_some_runs_of_a_stranger_are_refused_or_shown_harmlessly(pack, case):
    case(pack)
    given = list(pack.commands())
    assert pack.try_on(given[4], given[6])


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("case", RUNS)
def test_a_run_of_a_stranger_is_refused_or_shown_harmlessly(pack, case, figure):
    case(pack)
    pack.try_on()
    figure("runs of a stranger, each given to eight commands", 1)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("case", STREAMS)
def test_a_stream_of_a_stranger_is_refused_or_shown_harmlessly(pack, case, figure):
    stream, run = str(case(pack.folder)), str(pack.folder / "own")
    small = RECIPES["practical"]
    pack.try_on(
        ["data", "check", stream],
        ["data", "describe", stream],
        ["data", "convert", stream, str(pack.folder / "converted")],
        ["run", "-c", "practical", "--stream", stream, "--run.dir", run, *small],
        ["predict", "--run", str(pack.run), "--input", stream, "--output", f"{run}.csv"],
        ["monitor", str(pack.run), "--input", stream, "--output", f"{run}-events.csv"],
    )
    figure("streams of a stranger, each given to six commands", 1)


@pytest.mark.slow
@pytest.mark.faults
def test_settings_of_a_stranger_call_nothing(pack, figure):
    run = ["run", "-c", "eac", "--stream", str(pack.stream), "--run.dir", str(pack.folder / "own")]
    for number, text in enumerate(SETTINGS):
        path = pack.folder / f"{number}.yaml"
        path.write_text(text)
        assert pack.try_on([*run, "-c", str(path)]) == 1
        benchmark = ["benchmark", "-c", str(path), "--out", str(pack.folder / "grid")]
        assert pack.try_on(benchmark) == 1
    for value in (CALL, BOMB, "[" * 10_000):
        benchmark = ["benchmark", "-c", "ours", "--out", str(pack.folder / "grid")]
        assert pack.try_on([*benchmark, "--set", f"data.window={value}"]) == 1
    figure("settings of a stranger", 2 * len(SETTINGS) + 3)
