"""Fashion-MNIST: found where it should be, checked, and never replaced by something else."""

import functools
import gzip
import http.server
import struct
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from refflow.data import LABELS, DataError, as_examples, fashion_mnist, one_hot
from refflow.data import fashion_mnist as load
from refflow.data.idx import parse_idx, read_gzip, to_idx

module = sys.modules[load.__module__]
WHOLE = module.DEBIAN_FOLDER


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch, tmp_path):
    """No environment variable, no Debian package, an empty cache."""
    monkeypatch.delenv("REFFLOW_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "DEBIAN_FOLDER", tmp_path / "debian")


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A folder with a data set of three images, made by hand, whose checksums count as the published ones."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    rng = np.random.default_rng(0)
    files = []
    for file in module.FILES:
        array = rng.integers(0, 10, (3, 28, 28) if file.rank == 3 else (3,)).astype(np.uint8)
        data = to_idx(array)
        (folder / file.name).write_bytes(gzip.compress(data, mtime=0))
        files.append(file._replace(sha256=module.hashlib.sha256(data).hexdigest()))
    monkeypatch.setattr(module, "FILES", tuple(files))
    return folder


def test_the_subset_has_12000_real_images():
    data = fashion_mnist(size="small")
    assert data.train_images.shape == (10_000, 28, 28) and data.test_images.shape == (2_000, 28, 28)
    assert data.train_images.dtype == data.train_labels.dtype == np.uint8
    assert np.bincount(data.train_labels).tolist() == [942, 1027, 1016, 1019, 974, 989, 1021, 1022, 990, 1000]
    assert LABELS[data.train_labels[0]] == "Ankle boot"  # the set's well-known first image
    assert "subset" in data.source


def test_a_named_folder_is_used_and_comes_before_everything(tiny, monkeypatch):
    assert fashion_mnist(tiny).source == str(tiny)
    monkeypatch.setenv("REFFLOW_DATA", str(tiny))
    assert fashion_mnist().source == fashion_mnist(size="small").source == str(tiny)


def test_the_debian_package_is_found(tiny, monkeypatch):
    monkeypatch.setattr(module, "DEBIAN_FOLDER", tiny)
    assert len(fashion_mnist().train_images) == 3
    assert len(fashion_mnist(size="small").train_images) == 10_000


def test_nothing_stands_in_for_the_whole_set():
    with pytest.raises(FileNotFoundError) as caught:
        fashion_mnist()
    for words in ("apt install dataset-fashion-mnist", "REFFLOW_DATA", "download=True", "size='small'"):
        assert words in str(caught.value)


@pytest.mark.parametrize("how", ["path", "REFFLOW_DATA"])
def test_a_named_folder_without_the_files_is_an_error(tmp_path, monkeypatch, how):
    if how == "REFFLOW_DATA":
        monkeypatch.setenv("REFFLOW_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=rf"\(from {how}\) is not the Fashion-MNIST folder: train-images"):
        fashion_mnist(tmp_path if how == "path" else None, size="small")


def damaged(folder, change, name="train-images-idx3-ubyte.gz"):
    data = bytearray(gzip.decompress((folder / name).read_bytes()))
    (folder / name).write_bytes(gzip.compress(bytes(change(data))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d[:-1], "the header promises 2352 elements .* Is the file cut off"),
        (lambda d: d[:3], "too few for an IDX header"),
        (lambda d: b"\1\2" + d[2:], "this is no IDX file of bytes: it begins with 0102"),
        (lambda d: d[:3] + b"\1" + d[4:], "expected 3 axes, got 1"),
        (lambda d: d[:4] + struct.pack(">3I", 2**31, 2**31, 2) + d[16:], "promises 9223372036854775808 elements"),
        (lambda d: d[:16] + bytes([d[16] ^ 1]) + d[17:], "not the published file: SHA-256 .* Fetch it again"),
        (lambda d: d + b"x", "not the published file"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tiny, change, message):
    damaged(tiny, change)
    with pytest.raises(DataError, match=message) as caught:
        fashion_mnist(tiny)
    assert "train-images" in str(caught.value)


@pytest.mark.parametrize("content", [b"plain text", gzip.compress(b"0" * 1000)[:-9]])
def test_a_file_that_is_no_gzip_file_is_named(tiny, content):
    (tiny / "t10k-labels-idx1-ubyte.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"t10k-labels.*no whole gzip file"):
        fashion_mnist(tiny)


def test_a_file_that_unpacks_without_end_is_refused(tiny, monkeypatch):
    monkeypatch.setattr(sys.modules["refflow.data.idx"], "_LIMIT", 100)
    with pytest.raises(DataError, match="unpacks to more than 100 bytes"):
        read_gzip(tiny / "train-images-idx3-ubyte.gz")


def test_idx_is_read_as_written():
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    back, rest = parse_idx(to_idx(array) + b"more", "here", 2)
    assert back.tolist() == array.tolist() and rest == b"more"


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Says nothing."""


@pytest.fixture
def server():
    """Serves a folder on loopback; yields a function from folder to address."""
    running = []

    def serve(folder):
        httpd = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
        )
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        running.append(httpd)
        return f"http://127.0.0.1:{httpd.server_port}"

    yield serve
    for httpd in running:
        httpd.shutdown()
        httpd.server_close()


def test_a_download_happens_only_when_asked_for_and_is_kept(tiny, server):
    url = server(tiny)
    with pytest.raises(FileNotFoundError):
        fashion_mnist(base_url=url)
    assert len(fashion_mnist(download=True, base_url=url).train_images) == 3
    assert len(fashion_mnist().train_images) == 3  # from the cache
    assert {p.name for p in module.cache_folder().iterdir()} == {f.name for f in module.FILES}


def test_a_download_with_another_checksum_is_not_kept(tiny, server):
    damaged(tiny, lambda d: d[:16] + bytes([d[16] ^ 1]) + d[17:])
    with pytest.raises(DataError, match="not the published file"):
        fashion_mnist(download=True, base_url=server(tiny))
    assert list(module.cache_folder().iterdir()) == []


def test_a_missing_file_or_server_says_what_to_do_instead(tiny, server):
    (tiny / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(ConnectionError, match=r"cannot be fetched \(HTTP Error 404.*dataset-fashion-mnist"):
        fashion_mnist(download=True, base_url=server(tiny))
    with pytest.raises(ConnectionError, match="cannot be fetched"):
        fashion_mnist(download=True, base_url="http://127.0.0.1:9")


def test_pixels_become_numbers_around_zero_and_labels_rows_with_a_one():
    images = np.array([[[0, 255]]], np.uint8)
    assert as_examples(images).tolist() == [[-0.5, 0.5]] and as_examples(images).dtype == np.float32
    assert one_hot(np.array([1, 0], np.uint8), 3).tolist() == [[0, 1, 0], [1, 0, 0]]
    with pytest.raises(DataError, match="there are 3 kinds, 0 to 2"):
        one_hot(np.array([3], np.uint8), 3)


def test_the_subset_is_made_again_byte_for_byte():
    if not all((WHOLE / f.name).is_file() for f in module.FILES):
        pytest.skip("the whole set is not installed (apt install dataset-fashion-mnist)")
    root = Path(__file__).parents[2]
    sys.path.insert(0, str(root / "scripts"))
    try:
        from make_fashion_mnist_small import make
    finally:
        sys.path.pop(0)
    assert make(str(WHOLE)) == (root / "refflow" / "data" / module.SMALL).read_bytes()
