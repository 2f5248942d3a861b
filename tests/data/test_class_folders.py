"""Class folders: each file is taken once, whatever links exist, and files left out are named."""

import os

import pytest

from cgc.data.sources.class_folders import find_files
from cgc.errors import UserError


@pytest.fixture
def source(tmp_path):
    """Images of the classes a and b: `train/a/1.jpg`, `train/a/deep/2.jpg` and `train/b/3.jpg`."""
    for name in ("a/1.jpg", "a/deep/2.jpg", "b/3.jpg"):
        path = tmp_path / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def find(source):
    return find_files(source, "train", (".jpg", ".png"))


FILES = ["train/a/1.jpg", "train/a/deep/2.jpg", "train/b/3.jpg"]


def test_files_are_found_in_order_with_their_labels(source):
    files = find(source)
    assert (files.paths, files.labels.tolist()) == (FILES, [0, 0, 1])
    assert (files.classes, files.notes) == (["a", "b"], [])


@pytest.mark.parametrize("target", ["..", ".", "../..", "../b", "deep", "../../train/a/deep/.."])
def test_link_to_a_folder_that_is_read_already_is_left_out_and_named(source, target):
    (source / "train/a/loop").symlink_to(target)
    files = find(source)
    assert sorted(files.paths) in (FILES, sorted([*FILES[::2], "train/a/loop/2.jpg"]))
    assert len(files.paths) == 3
    assert files.notes[0].startswith("train: links to folders read already, left out: train/a/")


def test_links_that_lead_into_each_other_end(source):
    (source / "x/y").mkdir(parents=True)
    (source / "x/y/4.jpg").write_text("")
    (source / "x/y/back").symlink_to("..")
    (source / "train/a/more").symlink_to("../../x")
    assert find(source).paths == [*FILES[:2], "train/a/more/y/4.jpg", FILES[2]]


def test_class_folder_may_be_a_link(source, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (source / "train/b").rename(elsewhere / "b")
    (source / "train/b").symlink_to(elsewhere / "b")
    assert find(source).paths == FILES


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_file_that_is_twice_in_a_class_is_taken_once_and_noted(source, link):
    link(source / "train/b/3.jpg", source / "train/b/4.jpg")
    files = find(source)
    assert files.paths == FILES
    [note] = files.notes
    assert note == ("train: 1 files that are there twice in a class, taken once: train/b/4.jpg")


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_file_in_two_classes_is_refused(source, link):
    link(source / "train/a/1.jpg", source / "train/b/4.jpg")
    with pytest.raises(UserError, match=r"one class: train/a/1.jpg and train/b/4.jpg in .* delete"):
        find(source)


def test_class_folder_that_is_another_one_is_refused(source):
    (source / "train/c").symlink_to("a")
    with pytest.raises(UserError, match=r"one class: train/a/1.jpg and train/c/1.jpg"):
        find(source)


def test_files_left_out_are_counted_by_their_endings(source):
    for name in ("a/x.gif", "a/y.GIF", "b/notes.txt", "b/README", "b/.DS_Store"):
        (source / "train" / name).write_text("")
    [note] = find(source).notes
    assert note == ("train: files left out for their names: 2 .gif, 1 .txt, 1 without extension")


@pytest.mark.parametrize("name", [b"train/a/\xe9.jpg", b"train/\xe9/1.jpg"])
def test_name_that_is_not_utf8_is_refused(source, name):
    path = os.path.join(os.fsencode(source), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w"):
        pass
    with pytest.raises(UserError, match=r"names must be UTF-8: got b'train/.*xe9") as raised:
        find(source)
    str(raised.value).encode()


def test_special_file_is_refused(source):
    os.mkfifo(source / "train/a/9.jpg")
    with pytest.raises(UserError, match=r"train/a/9.jpg must be a regular file"):
        find(source)


def test_link_to_nothing_is_named(source):
    (source / "train/a/9.jpg").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"9.jpg cannot be read \(No such file.*\): mend the link"):
        find(source)


def test_folder_that_cannot_be_read_is_not_passed_over(source, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="deep"):
        find(source)


def test_source_without_class_folders_is_refused(source):
    with pytest.raises(UserError, match="a folder per class with the files in it: got none"):
        find_files(source / "train", "b", (".jpg",))
