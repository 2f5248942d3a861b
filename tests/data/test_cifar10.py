"""CIFAR-10 from batches, archive, download and Parquet.

Small files of the same format stand in for the published ones; their md5 replaces the one that
torchvision records.
"""

import hashlib
import pickle
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from cgc.data.sources import cifar10
from cgc.data.sources.cifar10 import CLASSES, prepare_cifar10
from cgc.data.table import ImageTable
from cgc.errors import UserError
from helpers.image_samples import SHARED_DATA, jpeg_bytes

NAMES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


def pixels(name):
    """20 images of a stand-in batch, two of each class."""
    seed = NAMES.index(name)
    return np.random.default_rng(seed).integers(0, 256, (20, 3 * 32 * 32), dtype=np.uint8)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """The folder of a stand-in data set: 10 training and 2 test images per class."""
    folder = tmp_path / "source/cifar-10-batches-py"
    folder.mkdir(parents=True)
    md5 = {}
    contents = {name: {"data": pixels(name), "labels": [*range(10)] * 2} for name in NAMES}
    contents["batches.meta"] = {"label_names": CLASSES}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
        md5[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5[name]] for name in NAMES[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [[NAMES[5], md5[NAMES[5]]]])
    monkeypatch.setitem(CIFAR10.meta, "md5", md5["batches.meta"])
    monkeypatch.setattr(cifar10, "IMAGES_PER_CLASS", {"train": 10, "validation": 2})
    return folder


@pytest.fixture
def archive(published, monkeypatch):
    """The stand-in data set, as an archive only."""
    path = published.parent.parent / "download" / CIFAR10.filename
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as tar:
        tar.add(published, arcname=CIFAR10.base_folder)
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(path.read_bytes()).hexdigest())
    return path


@pytest.fixture
def archive_url(archive, monkeypatch):
    """The stand-in archive on a local web server."""
    monkeypatch.setenv("no_proxy", "*")
    handler = partial(SimpleHTTPRequestHandler, directory=archive.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{archive.name}"
        server.shutdown()


def write_parquet(write_shard, folder, **options):
    write_shard(folder / "train-00000-of-00002.parquet", [*range(10)] * 5, **options)
    write_shard(folder / "train-00001-of-00002.parquet", [*range(10)] * 5, **options)
    write_shard(folder / "test-00000-of-00001.parquet", [*range(10)] * 2, **options)


@pytest.mark.parametrize("inside", [False, True])
def test_cifar10_batches_are_found_in_the_folder_or_one_below(published, tmp_path, inside):
    described = prepare_cifar10(published if inside else published.parent, tmp_path / "set")
    assert (described["num_train"], described["num_validation"]) == (100, 20)
    assert described["classes"] == CLASSES


def test_cifar10_batches_keep_every_pixel(published, tmp_path):
    prepare_cifar10(published, tmp_path / "set")
    table = ImageTable(tmp_path / "set/train.arrow")
    expected = pixels("data_batch_3")[7].reshape(3, 32, 32).transpose(1, 2, 0)
    np.testing.assert_array_equal(np.asarray(table.decode(47)), expected)


def test_cifar10_archive_is_unpacked_outside_the_source(archive, tmp_path):
    described = prepare_cifar10(archive.parent, tmp_path / "set")
    assert described["num_train"] == 100
    assert list(archive.parent.iterdir()) == [archive]


def test_cifar10_is_downloaded_only_when_asked(archive_url, tmp_path, monkeypatch):
    monkeypatch.setattr(CIFAR10, "url", archive_url)
    with pytest.raises(UserError, match="has no CIFAR-10"):
        prepare_cifar10(tmp_path / "new", tmp_path / "set")
    assert prepare_cifar10(tmp_path / "new", tmp_path / "set", download=True)["num_train"] == 100


def test_cifar10_failed_download_is_one_line(published, tmp_path, monkeypatch):
    monkeypatch.setattr(CIFAR10, "url", (tmp_path / "nowhere.tar.gz").as_uri())
    with pytest.raises(
        UserError, match=r"nowhere.tar.gz could not be downloaded to .*new .*by hand"
    ):
        prepare_cifar10(tmp_path / "new", tmp_path / "set", download=True)


@pytest.mark.parametrize("folder_exists", [False, True])
def test_cifar10_missing_says_what_to_put_where(tmp_path, folder_exists):
    source = tmp_path / "source"
    if folder_exists:
        source.mkdir()
    with pytest.raises(UserError) as raised:
        prepare_cifar10(source, tmp_path / "set")
    for part in (
        f"{source} has no CIFAR-10: put there",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        "md5 c58f30108f718f92721af3b95e74349a",
        "download=True",
    ):
        assert part in str(raised.value)
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("name", ["data_batch_2", "test_batch", "batches.meta"])
def test_cifar10_names_the_batch_that_is_not_the_published_one(published, tmp_path, name):
    (published / name).write_bytes((published / name).read_bytes()[:-1])
    with pytest.raises(UserError, match=rf"{name} must be the published file with md5 \w+: delete"):
        prepare_cifar10(published, tmp_path / "set")


def test_cifar10_never_unpickles_a_file_that_is_not_the_published_one(published, tmp_path):
    class Harmful:
        def __reduce__(self):
            return (tmp_path / "harmed").touch, ()

    (published / "data_batch_1").write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(UserError, match="data_batch_1 must be the published file"):
        prepare_cifar10(published, tmp_path / "set")
    assert not (tmp_path / "harmed").exists()


def test_cifar10_names_an_archive_that_is_not_the_published_one(archive, tmp_path):
    archive.write_bytes(archive.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"cifar-10-python.tar.gz must be .* md5 \w+: delete it"):
        prepare_cifar10(archive.parent, tmp_path / "set")


def test_cifar10_refuses_missing_images(published, tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "IMAGES_PER_CLASS", {"train": 10, "validation": 3})
    with pytest.raises(UserError, match=r"3 validation images in each of 10 classes: got \[2, 2"):
        prepare_cifar10(published, tmp_path / "set")


@pytest.mark.parametrize("column", ["img", "image"])
@pytest.mark.usefixtures("published")
def test_cifar10_parquet_test_images_become_validation(write_shard, tmp_path, column):
    write_parquet(write_shard, tmp_path / "hub/plain_text", column=column)
    described = prepare_cifar10(tmp_path / "hub", tmp_path / "set")
    assert (described["num_train"], described["num_validation"]) == (100, 20)
    assert described["classes"] == CLASSES


@pytest.mark.usefixtures("published")
def test_cifar10_parquet_takes_the_class_names_of_the_hub(write_shard, tmp_path):
    names = [f"class {i}" for i in range(10)]
    write_parquet(write_shard, tmp_path / "hub", hub_names=names)
    assert prepare_cifar10(tmp_path / "hub", tmp_path / "set")["classes"] == names


@pytest.mark.usefixtures("published")
def test_cifar10_parquet_says_that_jpeg_images_are_a_copy(write_shard, tmp_path):
    write_parquet(write_shard, tmp_path / "hub", encode=jpeg_bytes)
    described = prepare_cifar10(tmp_path / "hub", tmp_path / "set")
    assert described["source"].startswith("CIFAR-10 (JPEG copy)")
    assert described["notes"] == ["images are JPEG"]


@pytest.mark.usefixtures("published")
def test_cifar10_parquet_bytes_are_stored_as_they_are(write_shard, tmp_path):
    write_parquet(write_shard, tmp_path / "hub", encode=jpeg_bytes)
    prepare_cifar10(tmp_path / "hub", tmp_path / "set")
    table = ImageTable(tmp_path / "set/train.arrow")
    assert table.row(53) == {
        "bytes": jpeg_bytes(3),
        "path": "train-00001-of-00002/3",
    }


def test_cifar10_parquet_without_test_split_is_refused(write_shard, tmp_path):
    write_shard(tmp_path / "train-00000-of-00001.parquet", [0])
    with pytest.raises(UserError, match=r"has train-.*.parquet but no test-"):
        prepare_cifar10(tmp_path, tmp_path / "set")


@pytest.mark.skipif(
    not (SHARED_DATA / "cifar10_jpeg").exists(), reason="shared/data/cifar10_jpeg is not there"
)
def test_real_cifar10_parquet_is_prepared(tmp_path):
    described = prepare_cifar10(SHARED_DATA / "cifar10_jpeg", tmp_path, max_images=200)
    table = ImageTable(tmp_path / "train.arrow")
    assert table.labels.bincount().tolist() == [20] * 10
    assert table.decode(0).size == (32, 32)
    # The published statistics are (0.491, 0.482, 0.447) and (0.247, 0.243, 0.262).
    np.testing.assert_allclose(described["mean"], [0.491, 0.482, 0.447], atol=0.03)
    assert "train: 200 of 50000 images (max_images)" in described["notes"]
    assert "JPEG copy" in described["source"]
