"""The data set's files: what is read, from where, and what is said when it is not there or not right."""

import functools
import gzip
import hashlib
import http.server
import importlib.util
import itertools
import lzma
import re
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import refflow.data
from refflow.data import DataError, DownloadError, as_examples, fashion_mnist, fetch, one_hot
from refflow.data.fashion_mnist import DEBIAN, EMBEDDED, FULL, LABELS, SMALL, cache_folder, load, parts_of
from refflow.data.idx import format_idx, gunzip, parse_idx

MODULE = sys.modules["refflow.data.fashion_mnist"]  # the package's attribute of that name is the function
SCRIPT = Path(__file__).parents[2] / "scripts" / "make_fashion_mnist_small.py"
TINY = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)

has_full = pytest.mark.skipif(
    not all((DEBIAN / part.filename).is_file() for part in FULL),
    reason="needs the 70,000 pictures: apt install dataset-fashion-mnist",
)


def write_set(folder, contents):
    folder.mkdir(parents=True, exist_ok=True)
    for part, content in zip(FULL, contents, strict=True):
        (folder / part.filename).write_bytes(gzip.compress(content))
    return folder


@pytest.fixture
def contents(rng):
    """Four IDX files of a set with 5 training and 3 test pictures."""
    arrays = []
    for n in (5, 3):
        arrays += [rng.integers(0, 256, (n, 28, 28), np.uint8), rng.integers(0, 10, n, np.uint8)]
    return [format_idx(array) for array in arrays]


@pytest.fixture
def tiny(contents, monkeypatch, tmp_path):
    """That set takes the place of the published one, and nothing is installed on this machine."""
    parts = parts_of(5, 3, *(hashlib.sha256(content).hexdigest() for content in contents))
    monkeypatch.setattr(MODULE, "FULL", parts)
    monkeypatch.setattr(MODULE, "SMALL", parts_of(2, 1, "", "", "", ""))
    monkeypatch.setattr(MODULE, "DEBIAN", tmp_path / "debian")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("REFFLOW_DATA", raising=False)
    return parts


# The IDX format


def test_an_idx_file_is_a_header_and_the_elements():
    written_by_hand = bytes([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2, *range(12)])
    assert format_idx(TINY) == written_by_hand
    np.testing.assert_array_equal(parse_idx(written_by_hand, (3, 2, 2), "tiny"), TINY)


def test_the_parsed_array_is_read_only():
    with pytest.raises(ValueError, match="read-only"):
        parse_idx(format_idx(TINY), (3, 2, 2), "tiny")[0, 0, 0] = 1


@pytest.mark.parametrize("data", [b"", b"\0", b"P5 28 28", format_idx(TINY[0]), b"\0\0\x0d\3" + bytes(24)])
def test_another_magic_number_is_an_error(data):
    shown = re.escape(f"tiny: the first bytes are '{data[:4].hex(' ')}', but expected '00 00 08 03', an IDX array")
    with pytest.raises(DataError, match=shown):
        parse_idx(data, (3, 2, 2), "tiny")


def test_another_count_is_an_error():
    with pytest.raises(DataError, match="tiny: the header says shape 3 x 2 x 2, but expected 4 x 2 x 2"):
        parse_idx(format_idx(TINY), (4, 2, 2), "tiny")


def test_a_header_that_claims_2_to_the_31_pictures_is_an_error_and_allocates_nothing():
    data = bytes([0, 0, 8, 3, 0x80, 0, 0, 0, 0, 0, 0, 28, 0, 0, 0, 28])
    with pytest.raises(DataError, match="says shape 2147483648 x 28 x 28, but expected 60000 x 28 x 28"):
        parse_idx(data, (60_000, 28, 28), "hostile")


@pytest.mark.parametrize("length", [6, 16, 27])
def test_a_truncated_array_is_an_error(length):
    said = f"tiny: {length} bytes once unpacked, but expected 28: a header of 16 and 3 x 2 x 2 elements"
    with pytest.raises(DataError, match=said):
        parse_idx(format_idx(TINY)[:length], (3, 2, 2), "tiny")


def test_bytes_past_the_end_are_an_error():
    with pytest.raises(DataError, match="more than 28 bytes once unpacked, but expected 28"):
        parse_idx(format_idx(TINY) + b"\0", (3, 2, 2), "tiny")


def test_a_gzip_bomb_is_unpacked_to_one_byte_past_the_limit(tmp_path):
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(bytes(10_000_000)))
    with open(bomb, "rb") as packed:
        assert len(gunzip(packed, 100, "bomb")) == 101


# Files that are not the data set


def damage(folder, part, change):
    path = folder / part.filename
    path.write_bytes(change(path.read_bytes()))
    return re.escape(str(path))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda packed: b"<html>404</html>", "expected a gzip file, but it cannot be unpacked: Not a gzipped file"),
        (lambda packed: b"", "0 bytes|first bytes are ''"),
        (lambda packed: packed[:-20], "expected a gzip file, but it cannot be unpacked: Compressed file ended"),
        (lambda packed: packed[:10] + bytes([packed[10] ^ 6]) + packed[11:], "expected a gzip file"),
    ],
    ids=["a web page", "an empty file", "a truncated file", "a flipped bit"],
)
def test_what_cannot_be_unpacked_is_an_error_that_names_the_file(tmp_path, tiny, contents, change, said):
    folder = write_set(tmp_path / "set", contents)
    where = damage(folder, tiny[2], change)
    with pytest.raises(DataError, match=f"{where}: .*({said}).*Replace it by the published file"):
        fashion_mnist(folder)


def test_one_changed_pixel_is_an_error(tmp_path, tiny, contents):
    changed = bytearray(contents[0])
    changed[-1] ^= 1
    folder = write_set(tmp_path / "set", [bytes(changed), *contents[1:]])
    where = re.escape(str(folder / tiny[0].filename))
    got = hashlib.sha256(changed).hexdigest()
    with pytest.raises(DataError, match=f"{where}: .*SHA-256 {got}, but expected {tiny[0].sha256}. Replace"):
        fashion_mnist(folder)


def test_a_label_of_ten_is_an_error(tmp_path, tiny, contents):
    changed = contents[1][:-2] + bytes([10, 3])
    folder = write_set(tmp_path / "set", [contents[0], changed, *contents[2:]])
    with pytest.raises(DataError, match=r"train-labels.*: label 3 is 10, but expected 0\.\.9"):
        fashion_mnist(folder)


def test_another_set_in_the_same_format_is_an_error(tmp_path, tiny, contents):
    folder = write_set(tmp_path / "set", [format_idx(TINY), *contents[1:]])
    with pytest.raises(DataError, match="the header says shape 3 x 2 x 2, but expected 5 x 28 x 28"):
        fashion_mnist(folder)


# Where the files are looked for


def test_files_packed_anew_are_the_same_set(tmp_path, tiny, contents):
    quick, slow = tmp_path / "quick", tmp_path / "slow"
    for folder, level, mtime in ((quick, 1, 0), (slow, 9, 1504176606)):
        folder.mkdir()
        for part, content in zip(tiny, contents, strict=True):
            (folder / part.filename).write_bytes(gzip.compress(content, level, mtime=mtime))
    assert (quick / tiny[0].filename).read_bytes() != (slow / tiny[0].filename).read_bytes()
    for a, b in zip(fashion_mnist(quick).arrays, fashion_mnist(slow).arrays, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_places_are_looked_at_in_order(tmp_path, tiny, contents, monkeypatch):
    write_set(cache_folder(), contents)
    assert fashion_mnist().source == str(cache_folder()) == str(tmp_path / "cache" / "refflow" / "fashion-mnist")
    write_set(tmp_path / "debian", contents)
    assert fashion_mnist().source == str(tmp_path / "debian")
    monkeypatch.setenv("REFFLOW_DATA", str(write_set(tmp_path / "variable", contents)))
    assert fashion_mnist().source == str(tmp_path / "variable")
    path = write_set(tmp_path / "path", contents)
    assert fashion_mnist(path).source == fashion_mnist(str(path)).source == str(path)


def test_the_arrays_arrive_in_their_own_fields(tmp_path, tiny, contents):
    data = fashion_mnist(write_set(tmp_path / "set", contents))
    for array, part, content in zip(data.arrays, tiny, contents, strict=True):
        assert array.shape == part.shape
        assert format_idx(array) == content
    assert repr(data) == f"FashionMnist(5 training, 3 test, {tmp_path / 'set'})"


def test_what_is_nowhere_is_an_error_that_lists_every_place_and_what_to_install(tmp_path, tiny, contents):
    write_set(cache_folder(), contents)
    (cache_folder() / tiny[3].filename).unlink()
    with pytest.raises(FileNotFoundError) as raised:
        fashion_mnist()
    assert str(raised.value).splitlines()[:-1] == [
        "Fashion-MNIST is not here. Looked at:",
        "  path, which was not given",
        "  REFFLOW_DATA, which is not set",
        f"  {tmp_path / 'debian'} does not exist",
        f"  {cache_folder()} lacks t10k-labels-idx1-ubyte.gz",
    ]
    advice = str(raised.value).splitlines()[-1]
    for way in ("`apt install dataset-fashion-mnist`", "as path", "REFFLOW_DATA", "download=True", 'size="small"'):
        assert way in advice


@pytest.mark.parametrize("by", ["path", "REFFLOW_DATA"])
def test_a_named_folder_that_is_wrong_is_an_error_even_if_another_place_has_the_set(
    by, tmp_path, tiny, contents, monkeypatch
):
    write_set(tmp_path / "debian", contents)
    incomplete = write_set(tmp_path / "incomplete", contents)
    (incomplete / tiny[0].filename).unlink()
    (tmp_path / "file").write_text("a file")
    problems = {
        "absent": "does not exist",
        "file": "is not a folder",
        "incomplete": "lacks train-images-idx3-ubyte.gz",
    }
    for (name, problem), size in itertools.product(problems.items(), ("full", "small")):
        monkeypatch.setenv("REFFLOW_DATA", str(tmp_path / name))
        path = tmp_path / name if by == "path" else None
        said = re.escape(f"{tmp_path / name}, named by {by}, {problem}. Install the four files with `apt")
        with pytest.raises(FileNotFoundError, match=said):
            fashion_mnist(path, size=size, download=True)


def test_an_empty_variable_counts_as_not_set(tmp_path, tiny, contents, monkeypatch):
    monkeypatch.setenv("REFFLOW_DATA", "")
    write_set(tmp_path / "debian", contents)
    assert fashion_mnist().source == str(tmp_path / "debian")


def test_a_relative_xdg_cache_home_is_passed_over(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    assert cache_folder() == Path.home() / ".cache" / "refflow" / "fashion-mnist"


def test_a_size_that_is_neither_is_an_error():
    with pytest.raises(ValueError, match="size is 'tiny', but expected \"full\" or \"small\""):
        fashion_mnist(size="tiny")


# The subset


@pytest.fixture
def unnamed(monkeypatch):
    """The variable of whoever runs the tests names no folder."""
    monkeypatch.delenv("REFFLOW_DATA", raising=False)


def test_the_subset_is_that_of_the_checksums_and_asks_no_place_that_nobody_named(unnamed, monkeypatch, tmp_path):
    monkeypatch.setattr(MODULE, "DEBIAN", tmp_path / "debian")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for folder in (MODULE.DEBIAN, cache_folder()):
        write_set(folder, [b"not the set"] * len(FULL))
    data = fashion_mnist(size="small")
    assert data.source == "the subset in refflow"
    for array, part in zip(data.arrays, SMALL, strict=True):
        assert (array.shape, array.dtype) == (part.shape, np.uint8)
        assert hashlib.sha256(format_idx(array)).hexdigest() == part.sha256


def test_the_subset_has_every_label_about_equally_often(unnamed):
    data = fashion_mnist(size="small")
    for labels in (data.train_labels, data.test_labels):
        counts = np.bincount(labels, minlength=len(LABELS))
        assert len(counts) == len(LABELS) == 10
        assert 0.9 * len(labels) / 10 < counts.min() <= counts.max() < 1.1 * len(labels) / 10


def test_a_trouser_is_a_tall_picture_and_a_sneaker_a_wide_one(unnamed):
    """The labels belong to the pictures: the columns a trouser leaves dark, a sneaker fills, and the rows likewise."""
    data = fashion_mnist(size="small")
    mean = {name: data.train_images[data.train_labels == LABELS.index(name)].mean(0) for name in LABELS}
    assert mean["Trouser"][:, :6].mean() < 5 < 30 < mean["Sneaker"][12:20, :6].mean()
    assert mean["Sneaker"][:6].mean() < 5 < 30 < mean["Trouser"][:6].mean()


@pytest.mark.parametrize("by", ["path", "REFFLOW_DATA"])
def test_small_of_a_named_folder_is_the_front_of_that_folder(by, tmp_path, tiny, contents, monkeypatch):
    folder = write_set(tmp_path / "set", contents)
    monkeypatch.setenv("REFFLOW_DATA", str(folder) if by == "REFFLOW_DATA" else "no such folder")
    path = folder if by == "path" else None
    full, small = fashion_mnist(path), fashion_mnist(path, size="small")
    assert small.source == f"the first 2 and 1 of {folder}"
    for few, all_ in zip(small.arrays, full.arrays, strict=True):
        np.testing.assert_array_equal(few, all_[: len(few)])
    assert [len(few) for few in small.arrays] == [2, 2, 1, 1]


@has_full
def test_the_subset_is_the_same_wherever_it_is_read(unnamed):
    for a, b in zip(fashion_mnist(size="small").arrays, fashion_mnist(DEBIAN, size="small").arrays, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_damaged_subset_is_an_error(unnamed, monkeypatch, tmp_path):
    damaged = tmp_path / "damaged.xz"
    monkeypatch.setattr(MODULE, "EMBEDDED", damaged)
    damaged.write_bytes(b"not xz")
    with pytest.raises(DataError, match=r"damaged.xz: expected an xz file.*Install refflow again"):
        fashion_mnist(size="small")
    damaged.write_bytes(EMBEDDED.read_bytes()[:100_000])
    with pytest.raises(DataError, match=r"damaged.xz: expected an xz file"):
        fashion_mnist(size="small")
    damaged.write_bytes(lzma.compress(b"other content", preset=0))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte in .*damaged.xz: the first bytes"):
        fashion_mnist(size="small")


def test_the_subset_is_small_and_loads_in_a_second(unnamed):
    assert EMBEDDED.stat().st_size < 5_000_000
    times = []
    for _ in range(3):
        start = time.process_time()
        fashion_mnist(size="small")
        times.append(time.process_time() - start)
    assert min(times) < 1


@functools.cache
def make_script():
    spec = importlib.util.spec_from_file_location("make_fashion_mnist_small", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@has_full
def test_the_script_makes_the_shipped_file_again(tmp_path, capsys):
    again = tmp_path / "again.idx.xz"
    make_script().main(["--path", str(DEBIAN), "--output", str(again)])
    said = capsys.readouterr().out
    assert said.count("as SMALL states") == 4
    assert re.search(r"^9 Ankle boot +1000 +188$", said, re.MULTILINE)
    assert lzma.decompress(again.read_bytes()) == lzma.decompress(EMBEDDED.read_bytes())
    if again.read_bytes() != EMBEDDED.read_bytes():
        pytest.skip("the content is the same, but this liblzma packs it to other bytes")


def test_the_script_packs_the_same_content_to_the_same_bytes(contents):
    pack = make_script().pack
    assert pack(contents) == pack(contents)
    assert lzma.decompress(pack(contents)) == b"".join(contents)


@has_full
def test_the_full_set_starts_with_the_subset(unnamed):
    full, small = load(DEBIAN, FULL), fashion_mnist(size="small")
    assert [array.shape for array in full.arrays] == [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]
    assert set(np.bincount(full.train_labels)) == {6000}
    assert set(np.bincount(full.test_labels)) == {1000}
    for few, all_ in zip(small.arrays, full.arrays, strict=True):
        np.testing.assert_array_equal(few, all_[: len(few)])


@has_full
@pytest.mark.parametrize(
    ("part", "mtime", "md5"),
    [
        (FULL[0], 1504176606, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        (FULL[1], 1504176606, "25c81989df183df01b3e8a0aad5dffbe"),
        (FULL[2], 1504176627, "bef4ecab320f06d8554ea6380940ec79"),
        (FULL[3], 1504176627, "bb300cfdad3c16e7a12a480ee83cd310"),
    ],
    ids=[part.name for part in FULL],
)
def test_with_name_and_time_debians_file_is_the_published_one(part, mtime, md5):
    """So the checksums of the content are those of the publisher's files, whose MD5 he states."""
    packed = (DEBIAN / part.filename).read_bytes()
    if packed[:4] != b"\x1f\x8b\x08\x00":
        pytest.skip("this file is not as Debian packs it: its gzip header has other fields")
    header = b"\x1f\x8b\x08\x08" + struct.pack("<IBB", mtime, 0, 3) + part.name.encode() + b"\0"
    assert hashlib.md5(header + packed[10:], usedforsecurity=False).hexdigest() == md5


# The download, from a server in this process


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, answer):
        self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(handler):
                self.asked.append(handler.path)
                answer(handler)

            def log_message(handler, *words):
                """Silent."""

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def serve(monkeypatch):
    """Starts servers; answer(handler) answers one request."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    running = []

    def start(answer):
        running.append(Server(answer))
        threading.Thread(target=running[-1].serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return running[-1]

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def answering(files):
    """Answers with files[name], or 404."""

    def answer(handler):
        body = files.get(handler.path.lstrip("/"))
        handler.send_response(404 if body is None else 200)
        handler.end_headers()
        handler.wfile.write(body or b"")

    return answer


@pytest.fixture
def files(tiny, contents):
    return {part.filename: gzip.compress(content) for part, content in zip(tiny, contents, strict=True)}


def test_a_download_fills_the_cache_and_the_next_call_finds_it(tiny, contents, files, serve, monkeypatch):
    server = serve(answering(files))
    monkeypatch.setattr(MODULE, "fetch", functools.partial(fetch, base_url=server.url))
    data = fashion_mnist(download=True)
    assert data.source == str(cache_folder())
    assert [format_idx(array) for array in data.arrays] == contents
    assert {path.name: path.read_bytes() for path in cache_folder().iterdir()} == files
    assert fashion_mnist().source == fashion_mnist(download=True).source == str(cache_folder())
    assert server.asked == [f"/{part.filename}" for part in tiny]


def test_nothing_is_downloaded_that_nobody_asked_for(tiny, files, serve, monkeypatch):
    server = serve(answering(files))
    monkeypatch.setattr(MODULE, "fetch", functools.partial(fetch, base_url=server.url))
    with pytest.raises(FileNotFoundError):
        fashion_mnist()
    fashion_mnist_of_the_package = load_small_of_the_package(monkeypatch)
    assert fashion_mnist_of_the_package.source == "the subset in refflow"
    assert server.asked == []
    assert not cache_folder().exists()


def load_small_of_the_package(monkeypatch):
    monkeypatch.setattr(MODULE, "SMALL", SMALL)
    return fashion_mnist(size="small", download=True)


def test_a_download_gets_only_what_is_lacking(tmp_path, tiny, files, serve):
    server = serve(answering(files))
    (tmp_path / tiny[0].filename).write_bytes(files[tiny[0].filename])
    assert fetch(tmp_path, tiny, base_url=server.url + "/") == tmp_path
    assert server.asked == [f"/{part.filename}" for part in tiny[1:]]


def test_a_download_with_another_checksum_leaves_no_file(tmp_path, tiny, contents, files, serve):
    files[tiny[1].filename] = gzip.compress(contents[1][:-1] + bytes([contents[1][-1] ^ 1]))
    server = serve(answering(files))
    said = f"{server.url}/{tiny[1].filename}: .*SHA-256 [0-9a-f]{{64}}, but expected {tiny[1].sha256}"
    with pytest.raises(DataError, match=said):
        fetch(tmp_path, tiny, base_url=server.url)
    assert [path.name for path in tmp_path.iterdir()] == [tiny[0].filename]


def test_a_download_that_stops_half_way_leaves_no_file(tmp_path, tiny, files, serve):
    files[tiny[0].filename] = files[tiny[0].filename][:-100]
    server = serve(answering(files))
    with pytest.raises(DataError, match="train-images.*Compressed file ended"):
        fetch(tmp_path, tiny, base_url=server.url)
    assert list(tmp_path.iterdir()) == []


def test_an_address_without_the_file_is_an_error(tmp_path, tiny, serve):
    server = serve(answering({}))
    said = f"{server.url}/train-images-idx3-ubyte.gz could not be downloaded: HTTP Error 404: Not Found. Check"
    with pytest.raises(DownloadError, match=said):
        fetch(tmp_path, tiny, base_url=server.url)
    assert list(tmp_path.iterdir()) == []


def test_a_machine_that_does_not_answer_is_an_error_that_says_what_to_do(tmp_path, tiny, serve):
    server = serve(answering({}))
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match=r"could not be downloaded: .*refused.*apt install dataset-fashion"):
        fetch(tmp_path, tiny, base_url=server.url)


def test_a_silent_server_meets_the_timeout(tmp_path, tiny, serve):
    over = threading.Event()
    server = serve(lambda handler: over.wait(10))
    with pytest.raises(DownloadError, match="could not be downloaded: .*timed out"):
        fetch(tmp_path, tiny, base_url=server.url, timeout=0.1)
    over.set()


def drip(handler, piece, pause):
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in itertools.repeat(None, 100_000):
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(pause)
    except OSError:
        handler.close_connection = True  # the client has had enough


def test_a_dripping_server_meets_the_deadline(tmp_path, tiny, serve):
    server = serve(lambda handler: drip(handler, b"\0", 0.01))
    with pytest.raises(DownloadError, match=r"could not be downloaded: not complete after 0\.2 s"):
        fetch(tmp_path, tiny, base_url=server.url, patience=0.2)


def test_a_server_that_never_ends_is_left_at_the_size_of_the_file(tmp_path, tiny, serve):
    server = serve(lambda handler: drip(handler, bytes(4096), 0))
    with pytest.raises(DataError, match=f"got more than {16 + 5 * 784 + 4096} bytes, but expected a gzip file"):
        fetch(tmp_path, tiny, base_url=server.url)


# What a classifier wants


def test_examples_are_centred_rows():
    examples = as_examples(TINY)
    assert (examples.shape, examples.dtype) == ((3, 4), np.float32)
    np.testing.assert_allclose(examples, (TINY.reshape(3, 4) - 127.5) / 255, rtol=1e-6)
    ends = as_examples(np.array([[[0, 255]]], np.uint8))
    assert ends.tolist() == [[-0.5, 0.5]]


def test_examples_of_no_picture_keep_their_width():
    assert as_examples(np.zeros((0, 28, 28), np.uint8)).shape == (0, 784)


@pytest.mark.parametrize(
    ("images", "got"),
    [(TINY.astype(np.float32), r"float32\[3, 2, 2\]"), (TINY[0], r"uint8\[2, 2\]"), (TINY[None], r"\[1, 3, 2, 2\]")],
    ids=["scaled already", "one picture", "rank 4"],
)
def test_examples_are_made_only_of_uint8_pictures(images, got):
    with pytest.raises(ValueError, match=rf"as_examples: images are .*{got}, but expected uint8\[N, H, W\]"):
        as_examples(images)


def test_one_hot_has_its_one_at_the_label():
    rows = one_hot(np.array([3, 0, 9], np.uint8))
    assert (rows.shape, rows.dtype) == ((3, 10), np.float32)
    np.testing.assert_array_equal(rows, np.eye(10)[[3, 0, 9]])


@pytest.mark.parametrize(("labels", "said"), [([1, 4], r"label 1 is 4"), ([-1, 2], r"label 0 is -1")])
def test_one_hot_refuses_a_label_that_has_no_place(labels, said):
    with pytest.raises(ValueError, match=rf"one_hot: {said}, but expected 0\.\.3"):
        one_hot(labels, num_labels=4)


@pytest.mark.parametrize("labels", [np.ones(2), np.ones((2, 1), int), np.array([True, False])])
def test_one_hot_refuses_what_are_not_labels(labels):
    with pytest.raises(ValueError, match=rf"one_hot: labels are {labels.dtype}\[.*, but expected integers \[N\]"):
        one_hot(labels)


def test_importing_the_package_opens_no_data_file():
    code = (
        "import sys; opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
        "import refflow.data\n"
        "assert any('idx' in name for name in opened), 'the hook sees nothing'\n"
        "print([name for name in opened if name.endswith(('.xz', '.gz'))])"
    )
    package = Path(refflow.data.__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=package, timeout=60)
    assert (ran.stdout.strip(), ran.returncode) == ("[]", 0), ran.stderr
