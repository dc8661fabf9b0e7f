"""Raw documents on the disk: inside their folder, whole or not at all, and never lost."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from clari_pipeline.landing import PRODUCTS, LandedDocument, Landing, LandingError
from clari_pipeline.sync.planning import Runs
from tests.helpers.each_case import try_each

IDS = {"forecast_id": "total_new", "time_period": "2026_Q4", "job_id": "6073"}
AWKWARD = [
    "", ".", "..", "...", "/", "\\", "../../x", "..%2F", "a/b", "a\x00b", "x" * 500, "x" * 121, "é" * 80, "%2E%2E",
    "C:\\x", "a b/c?d#é", "\ud800", "CON", "-", "~", ".arriving", "a\nb", "total_new", "Total_New", "a=b", "a+b", "🚀",
]  # fmt: skip


def landed(landing: Landing, content: bytes = b'{"entries": []}', **more: object) -> LandedDocument:
    writer = landing.writer()
    writer.write(content)
    return writer.keep(facts={"run_id": "r1"}, **{**IDS, **more})


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path / "data" / "landing")


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_a_document_is_kept_byte_for_byte_with_its_digest_and_its_facts(landing):
    content = os.urandom(300_000) + b"x" * 3_000_000
    writer = landing.writer()
    for start in range(0, len(content), 65_536):
        writer.write(content[start : start + 65_536])
    assert writer.sha256 == hashlib.sha256(content).hexdigest()
    document = writer.keep(facts={"run_id": "r1", "scope_id": None, "who": "張偉"}, **IDS)
    assert document.read() == content
    with document.open() as stream:
        assert b"".join(iter(lambda: stream.read(10_007), b"")) == content
    assert document.sha256 == hashlib.sha256(content).hexdigest()
    assert document.size == len(content)
    assert document.manifest == {
        "run_id": "r1", "scope_id": None, "who": "張偉", "sha256": document.sha256, "size": document.size,
    }  # fmt: skip
    assert document.folder == landing.root / "total_new" / "2026_Q4" / "6073"
    assert (document.folder / "document.zst").stat().st_size < len(content)


def test_a_document_is_found_by_what_the_ledger_writes_down(landing):
    document = landed(landing, job_id="../awkward/ид")
    path = landing.path_of(document)
    assert not Path(path).is_absolute()
    assert Landing(landing.root).find(path) == document
    assert list(landing) == [document]


def test_nothing_is_seen_before_keep_and_nothing_stays_after_discard(landing):
    writer = landing.writer()
    writer.write(b"half")
    assert list(landing) == []
    writer.discard()
    assert files(landing.root) == []
    assert list(landing) == []


def test_a_download_that_begins_anew_leaves_only_the_last_bytes(landing):
    writer = landing.writer()
    writer.restart()
    writer.write(b"half of it" * 50_000)
    writer.restart()
    writer.write(b"whole")
    document = writer.keep(facts={}, **IDS)
    assert (document.read(), document.size) == (b"whole", 5)
    assert landed(landing, b"", job_id="empty").read() == b""  # which is a document, too
    assert document.sha256 == hashlib.sha256(b"whole").hexdigest()


def test_an_exception_while_it_is_written_leaves_none(landing):
    """Whatever stops `keep`: no document, and no part of one, where documents are looked for."""
    for facts in ({"x": object()}, {"x": {1, 2}}):
        writer = landing.writer()
        writer.write(b"whole")
        with pytest.raises(TypeError):
            writer.keep(facts=facts, **IDS)
        assert list(landing) == []
        assert [name for name in files(landing.root) if not name.startswith(".arriving/")] == []
        writer.discard()
        assert files(landing.root) == []
    assert landed(landing).read() == b'{"entries": []}'


def test_what_a_crash_leaves_behind_is_no_document(landing):
    """The process dies, after each file that it has written: nobody discards anything."""
    folder = landing.root / ".arriving" / "0123"
    folder.mkdir(parents=True)
    assert list(landing) == []
    (folder / "document.zst").write_bytes(b"half")
    assert list(landing) == []
    (folder / "manifest.json").write_text('{"sha256": "x", "size": 4}')
    assert list(landing) == []
    document = landed(landing)
    assert list(landing) == [document]


def test_a_products_download_that_was_killed_is_no_forecasts_document(landing):
    """What arrives below the folder of the products has a manifest before it has a place."""
    arriving = landing.root / PRODUCTS / ".arriving" / "0123456789abcdef"
    arriving.mkdir(parents=True)
    (arriving / "manifest.json").write_text("{}")
    kept = landed(Landing(landing.root / PRODUCTS), forecast_id="audit")
    assert list(landing) == []
    assert list(landing.manifests()) == [kept.folder / "manifest.json"]


def test_the_same_document_again_is_the_same_folder(landing):
    first, again = landed(landing), landed(landing)
    assert first == again
    assert list(landing) == [first]
    assert files(landing.root) == ["total_new/2026_Q4/6073/document.zst", "total_new/2026_Q4/6073/manifest.json"]


def test_another_document_under_the_same_job_id_is_kept_beside(landing):
    first, other = landed(landing, b"one"), landed(landing, b"two")
    again = landed(landing, b"two")
    assert first.folder != other.folder == again.folder
    assert {document.read() for document in landing} == {b"one", b"two"}
    assert first.read() == b"one"
    # An id that reads like the folder beside is still another id.
    third = landed(landing, b"two", job_id=other.folder.name)
    fourth = landed(landing, b"two", job_id=f"6073-{other.sha256[:16]}")
    assert len({first.folder, other.folder, third.folder, fourth.folder}) == 4
    assert other.read() == b"two"


@given(st.text(), st.text(), st.text())
@example("..", "..", "..")
@example("../../../../etc", "passwd", "/etc/passwd")
@example("", "", "")
@example("\x00", "a\x00b", "\ud800")
@example("x" * 1000, "é" * 300, "." * 300)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_ids_stay_inside_the_folder_and_are_found_again(tmp_path, forecast_id, time_period, job_id):
    landing = Landing(tmp_path / "data" / "landing")
    document = landed(landing, forecast_id=forecast_id, time_period=time_period, job_id=job_id)
    inside = document.folder.resolve().relative_to(landing.root.resolve())
    assert len(inside.parts) == 3
    assert not any(part.startswith(".") or len(part.encode()) > 200 for part in inside.parts)
    assert landing.find(landing.path_of(document)) == document
    assert document in list(landing)
    assert os.listdir(tmp_path) == ["data"]  # noqa: PTH208
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"landing"}


@given(st.lists(st.text() | st.sampled_from(AWKWARD), unique=True, min_size=2, max_size=6))
@example(AWKWARD)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_ids_that_differ_have_folders_that_differ(tmp_path, identifiers):
    landing = Landing(tmp_path / "landing")
    folders = {landed(landing, forecast_id=identifier).folder for identifier in identifiers}
    assert len(folders) == len(identifiers)


def test_the_folder_name_of_a_long_id_is_no_other_ids(landing):
    long = landed(landing, forecast_id="y" * 400)
    name = long.folder.parent.parent.name
    for identifier in (name, name.replace("=", "-")):
        assert landed(landing, forecast_id=identifier).folder != long.folder
        assert landed(landing, forecast_id="y" * 100 + "-" + name[-16:]).folder != long.folder


def test_a_folder_that_cannot_be_written_names_the_setting(tmp_path):
    """A file stands where the folder should be: even the superuser cannot write there."""
    (tmp_path / "data").write_text("a file")
    for root in (tmp_path / "data", tmp_path / "data" / "landing"):
        landing = Landing(root)
        with pytest.raises(LandingError, match=f"{root} cannot be written .*CLARI_DATA_DIR"):
            landing.check_writable()
        with pytest.raises(LandingError, match="CLARI_DATA_DIR"):
            landing.writer()
        assert list(landing) == []


def test_a_folder_that_is_in_the_way_later_names_the_setting(landing):
    landing.check_writable()
    assert files(landing.root) == []
    (landing.root / "total_new").write_text("a file")
    with pytest.raises(LandingError, match="CLARI_DATA_DIR"):
        landed(landing)


def test_a_disk_that_is_full_names_the_setting(landing):
    """/dev/full refuses every byte, as a full disk does."""
    writer = landing.writer()
    arriving = next((landing.root / ".arriving").iterdir())
    (arriving / "document.zst").unlink()
    (arriving / "document.zst").symlink_to("/dev/full")
    writer.restart()
    with pytest.raises(LandingError, match=r"No space left on device.*CLARI_DATA_DIR"):
        writer.write(os.urandom(5_000_000))
    writer.discard()
    assert list(landing) == []


def test_a_manifest_that_is_damaged_is_named(landing):
    path = landed(landing).folder / "manifest.json"
    place = landing.path_of(*landing)
    for manifest in ("", "{", "[" * 100_000, "[]", "null", "{}", '{"sha256": "x"}', None):
        path.unlink() if manifest is None else path.write_text(manifest)
        with pytest.raises(LandingError, match="6073 has no readable manifest"):
            landing.find(place)


def test_a_document_that_is_damaged_is_never_read_as_if_it_were_whole(landing):
    document = landed(landing, os.urandom(400_000))
    path = document.folder / "document.zst"
    content = path.read_bytes()
    middle = len(content) // 2
    another = (landed(landing, b"another", job_id="2").folder / "document.zst").read_bytes()
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]

    def check(damaged: bytes | None) -> None:
        path.unlink() if damaged is None else path.write_bytes(damaged)
        with pytest.raises(LandingError, match=r"6073 (is damaged|is not what was landed|cannot be read)"):
            document.read()

    try_each((content[:middle], flipped, b"", another, None), check)


def test_a_path_that_leads_elsewhere_is_not_followed(landing):
    """Whatever a ledger says, and whichever links there are: what is outside is not read."""
    document = landed(landing)
    elsewhere = landing.root.parent / "elsewhere"
    shutil.copytree(document.folder, elsewhere)
    (landing.root / "link").symlink_to(elsewhere)

    def check(path: str) -> None:
        with pytest.raises(LandingError, match="does not lie inside"):
            landing.find(path)

    try_each(["../elsewhere", str(elsewhere), "link", "x/../../elsewhere", "", ".", "..", "a\0b", "\ud800"], check)
    assert landing.find(landing.path_of(document)) == document


def test_run_ids_of_a_ledger_from_elsewhere_stay_inside_the_folder(tmp_path):
    """Its rows name runs, whose lock files are looked for, locked and removed."""
    mine = tmp_path / "mine.lock"
    mine.touch()
    runs = Runs(tmp_path / "data" / "runs")
    for run_id in ("../../mine", str(tmp_path / "mine")):
        assert not runs.is_alive(run_id)
        with runs.alive(run_id):
            assert runs.is_alive(run_id)
        runs.forget([run_id])
    assert mine.exists()
