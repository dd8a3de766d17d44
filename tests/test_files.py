"""Files are whole or absent, and one module alone writes them."""

import ast
import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.torch import load_file

from eac import disk, files, temporary
from eac.errors import StreamError, WriteError
from eac.names import LONGEST_NAME, decode_name, encode_name

PACKAGE = Path(files.__file__).parent
WRITERS = {PACKAGE / name for name in ("files.py", "disk.py", "temporary.py")}
METHODS = {
    "chmod", "hardlink_to", "makedirs", "mkdir", "mkdtemp", "mkstemp", "removedirs", "rename",
    "renames", "replace", "rmdir", "rmtree", "save", "save_file", "savefig", "savetxt", "savez",
    "savez_compressed", "symlink_to", "to_csv", "to_excel", "to_feather", "to_hdf", "to_json",
    "to_parquet", "to_pickle", "tofile", "touch", "truncate", "unlink", "write_bytes",
    "write_feather", "write_html", "write_image", "write_text",
}  # fmt: skip
OWNERS = {"Path", "os", "shutil", "np", "numpy", "torch", "pq", "feather", "tempfile"}
CLASSES = {"ParquetWriter", "ZipFile", "TarFile", "NamedTemporaryFile", "TemporaryDirectory"}


def _is_mode(argument: ast.expr) -> bool:
    text = argument.value if isinstance(argument, ast.Constant) else None
    return isinstance(text, str) and bool(text) and set(text) <= set("rwaxbt+")


def _writes(call: ast.Call) -> bool:
    """Whether a call opens, makes, moves or removes a file, as far as its text tells."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name == "open":
        modes = [a for a in (*call.args, *(k.value for k in call.keywords)) if _is_mode(a)]
        flags = "O_WRONLY" in ast.unparse(call) or "O_RDWR" in ast.unparse(call)
        return flags or any(set(ast.literal_eval(m)) & set("wax+") for m in modes[-1:])
    if name == "TemporaryDirectory":  # the system's own place is for what nobody keeps
        return bool(call.args or call.keywords)
    if name in CLASSES:
        return name not in ("ZipFile", "TarFile") or any(map(_is_mode, call.args[1:]))
    if not isinstance(function, ast.Attribute) or name not in METHODS:
        return False
    owner = ast.unparse(function.value).split("(")[0]
    if name == "rename":  # a frame's takes keywords only
        return bool(call.args)
    if name == "replace":  # a text's takes two arguments, a dataclass's keywords
        return owner == "os" or (len(call.args) == 1 and not call.keywords)
    if name in ("save", "truncate"):
        return owner in OWNERS
    if name in ("to_csv", "to_json"):
        return bool(call.args)
    return True


def _within(tree: ast.AST) -> set[int]:
    """Calls that write to the temporary path of an enclosing ``with writing(...) as path``."""
    allowed = set()
    for block in (node for node in ast.walk(tree) if isinstance(node, ast.With)):
        for item in block.items:
            if isinstance(item.optional_vars, ast.Name) and ast.unparse(
                item.context_expr
            ).startswith(("writing(", "files.writing(")):
                name = item.optional_vars.id
                calls = [n for n in ast.walk(block) if isinstance(n, ast.Call)]
                allowed |= {id(c) for c in calls if name in ast.unparse(c)}
    return allowed


def _other_writers(source: str) -> list[str]:
    tree = ast.parse(source)
    allowed = _within(tree)
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and id(n) not in allowed]
    found = [call for call in calls if _writes(call) and "os.devnull" not in ast.unparse(call)]
    return [f"{call.lineno}: {ast.unparse(call)}" for call in found]


def test_nothing_else_in_the_package_writes_a_file():
    modules = [path for path in PACKAGE.rglob("*.py") if path not in WRITERS]
    found = {str(p): _other_writers(p.read_text(encoding="utf-8")) for p in modules}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "open('a', 'w')", "path.open('ab')", "path.open(mode='x')", "path.write_text('a')",
        "np.save(path, x)", "np.savez(path, x)", "frame.to_csv(path)", "frame.to_parquet(path)",
        "torch.save(x, path)", "save.save_file(x, path)", "os.replace(a, b)", "path.rename(b)",
        "path.replace(b)", "shutil.rmtree(path)", "path.unlink()", "path.mkdir()",
        "pq.ParquetWriter(path, schema)", "figure.savefig(path)", "zipfile.ZipFile(path, 'w')",
        "os.open(path, os.O_WRONLY)", "tempfile.mkstemp()", "TemporaryDirectory(dir=path)",
    ],
)  # fmt: skip
def test_the_search_for_writers_finds(line):
    assert _other_writers(line)


@pytest.mark.parametrize(
    "line",
    [
        "path.open('rb')", "open(path)", "text.replace('a', 'b')", "replace(record, a=1)",
        "frame.rename(columns={})", "frame.to_csv()", "zipfile.ZipFile(path)",
        "with writing(p) as t:\n    figure.savefig(t)",
    ],
)  # fmt: skip
def test_the_search_for_writers_passes_over(line):
    assert _other_writers(line) == []


def test_a_file_is_written_whole_and_its_hash_returned(tmp_path):
    path = tmp_path / "deep" / "a.json"
    said = files.write_json(path, {"ä": [1.5, None]})
    assert path.read_text(encoding="utf-8") == '{\n "ä": [\n  1.5,\n  null\n ]\n}\n'
    assert said == files.digest(path)
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]


def test_tensors_checkpoints_frames_and_arrays_come_back(tmp_path):
    import numpy as np

    files.write_tensors(tmp_path / "a.safetensors", {"x": torch.arange(6).reshape(2, 3).T})
    assert load_file(tmp_path / "a.safetensors")["x"].tolist() == [[0, 3], [1, 4], [2, 5]]
    files.write_bytes(tmp_path / "a.ckpt", files.torch_bytes({"x": torch.ones(2)}))
    assert torch.load(tmp_path / "a.ckpt", weights_only=True)["x"].tolist() == [1, 1]
    frame = pd.DataFrame({"a": [1, 2]})
    for name in ("f.csv", "f.parquet"):
        files.write_frame(tmp_path / name, frame, index=False)
    assert pd.read_csv(tmp_path / "f.csv").equals(pd.read_parquet(tmp_path / "f.parquet"))
    files.write_arrays(tmp_path / "a.npz", x=np.arange(3))
    assert np.load(tmp_path / "a.npz")["x"].tolist() == [0, 1, 2]


def test_every_byte_is_synchronised_before_the_name_and_the_folder_after_it(tmp_path):
    seen = []
    with disk.watched(lambda operation, path: seen.append((operation, path.name))):
        files.write_text(tmp_path / "new" / "a.txt", "x")
    kinds = [kind for kind, _ in seen]
    assert kinds == [
        "folder", "sync folder", "create", "write", "sync", "rename", "sync folder",
    ]  # fmt: skip
    assert seen[-2:] == [("rename", "a.txt"), ("sync folder", "new")]


@pytest.mark.parametrize("stop", range(5))
@pytest.mark.parametrize("there", [True, False])
def test_a_failure_at_any_operation_leaves_the_old_file_or_the_new_one(tmp_path, stop, there):
    path, count = tmp_path / "a.txt", iter(range(9))
    if there:
        path.write_text("old")

    def fail(operation, where):
        if next(count) == stop:
            raise OSError(errno.ENOSPC, "No space left on device")

    with disk.watched(fail), pytest.raises(WriteError, match=r"a\.txt cannot .*disk is full"):
        files.write_text(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == (["a.txt"] if there or stop == 4 else [])
    if there:
        assert path.read_text() == ("new" if stop == 4 else "old")


def test_a_kill_at_any_operation_leaves_the_old_file_and_the_next_writer_cleans_up(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    code = (
        "import os, sys\nfrom eac import disk, files\n"
        "def kill(operation, where):\n    if operation == 'rename': os._exit(9)\n"
        "with disk.watched(kill): files.write_text(sys.argv[1], 'new')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=PACKAGE.parent, check=False)
    assert done.returncode == 9
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    code = "import sys\nfrom eac import files\nfiles.write_text(sys.argv[1], 'b')\n"
    later = [sys.executable, "-c", code, str(tmp_path / "b.txt")]
    subprocess.run(later, cwd=PACKAGE.parent, check=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "b.txt"]


def test_temporary_files_of_the_living_stay_and_very_old_ones_of_other_machines_go(tmp_path):
    mine = temporary.temporary_name(tmp_path / "a")
    host = mine.name.split("-")[1]
    names = [mine.name, f".tmp-{host}-1-00000000-0-a", ".tmp-elsewhere-1-00000000-0-a"]
    for name in (*names, ".tmp-x", "a.tmp"):
        (tmp_path / name).write_text("")
    old = tmp_path / ".tmp-elsewhere-2-00000000-0-a"
    old.write_text("")
    os.utime(old, (time.time() - 2 * temporary.ABANDONED,) * 2)
    files.remove_leftovers(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {*names, ".tmp-x", "a.tmp"}


def test_a_link_is_not_followed(tmp_path):
    outside, link = tmp_path / "outside.txt", tmp_path / "run" / "a.txt"
    outside.write_text("mine")
    link.parent.mkdir()
    link.symlink_to(outside)
    with pytest.raises(WriteError, match="symbolic link, which is not followed"):
        files.write_text(link, "evil")
    with pytest.raises(WriteError, match="symbolic link"):
        files.open_in_place(link)
    with pytest.raises(WriteError, match="symbolic link"):
        files.refuse_links(link.parent)
    assert outside.read_text() == "mine"
    files.remove(link)
    files.write_text(link, "kept")
    files.refuse_links(link.parent)
    assert (link.read_text(), outside.read_text()) == ("kept", "mine")


def test_removing_a_folder_does_not_follow_a_link(tmp_path):
    outside = tmp_path / "outside"
    files.write_text(outside / "a.txt", "mine")
    (tmp_path / "run").symlink_to(outside)
    files.remove_folder(tmp_path / "run")
    assert (outside / "a.txt").read_text() == "mine"
    files.remove_folder(outside)
    assert list(tmp_path.iterdir()) == []


def test_what_stands_in_the_way_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="file stands where a folder is needed"):
        files.write_text(tmp_path / "file" / "a.txt", "x")
    with pytest.raises(WriteError, match="is a folder"):
        files.write_text(tmp_path, "x")
    with pytest.raises(WriteError, match="name is too long"):
        files.write_text(tmp_path / ("a" * 300) / "b", "x")


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.EROFS, "read-only"), (errno.EACCES, "no permission"), (errno.EIO, "reports an error")],
)
def test_a_failing_disk_is_one_sentence(tmp_path, code, words):
    def fail(operation, where):
        raise OSError(code, os.strerror(code))

    with disk.watched(fail), pytest.raises(WriteError, match=words):
        files.write_text(tmp_path / "a.txt", "x")


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    def fill(fail: bool):
        with files.writing_folder(tmp_path / "made") as folder:
            files.write_text(folder / "deep" / "a.txt", "x")
            if fail:
                raise StreamError("no")

    with pytest.raises(StreamError):
        fill(True)
    assert list(tmp_path.iterdir()) == []
    fill(False)
    assert (tmp_path / "made" / "deep" / "a.txt").read_text() == "x"
    with pytest.raises(WriteError, match="exists"):
        fill(False)


def test_a_log_is_appended_to_and_a_lock_keeps_what_it_says(tmp_path):
    for text in ("a", "b"):
        with files.open_in_place(tmp_path / "log.txt") as log:
            log.write(text)
    assert (tmp_path / "log.txt").read_text() == "ab"
    with files.open_in_place(tmp_path / "log.txt", append=False) as lock:
        assert lock.read() == "ab"


@pytest.mark.parametrize("name", ["2011", "a b", "Straße (2)", "50%", "x.y", ".hidden", "0" * 240])
def test_names_that_were_safe_stay(name):
    assert encode_name(name) == name


@given(st.text(min_size=1, max_size=40))
@example("../../etc")
@example("a\x00b\x1b[31m\u202e")
@example("%2F")
@example("\ud800")
def test_any_name_is_one_safe_name_and_comes_back(name):
    safe = encode_name(name)
    assert decode_name(safe) == name
    assert safe.isprintable() or not set(safe) & set("\n\r\t\x00\x1b/\\")
    assert Path("folder", safe).resolve().parent == Path("folder").resolve()


@given(st.text(max_size=400))
def test_a_name_is_bounded_and_others_do_not_meet_it(name):
    assert 0 < len(encode_name(name).encode()) <= LONGEST_NAME
    assert encode_name(name + "/") != encode_name(name)
