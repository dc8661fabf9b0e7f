"""`CLARI_API_KEY_FILE`: a key that is replaced while a run goes on, and what is said where there is none."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clari_pipeline.clari import Polled
from clari_pipeline.cli import commands
from clari_pipeline.config.key_file import KeyFile, KeyFileError
from clari_pipeline.config.settings import read_settings
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.sync.events import Event, Hooks
from tests.helpers.direct_steps import sync
from tests.helpers.fake_clock import FakeClock
from tests.helpers.terminal import Terminal

OLD, NEW = "key-of-before-000", "key-of-the-day-01"  # of one length


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    file = folder / "clari-key"
    file.write_text(f"{OLD}\n")
    return file


@pytest.fixture
def clock() -> FakeClock:
    """Stands still until it is turned: Clari's jobs take as long."""
    return FakeClock(datetime.now(UTC))


@pytest.fixture
def company(terminal: Terminal, key_file: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A Clari that knows the key in the file."""
    assert terminal
    with Sandbox(job_seconds=5, people=4, clock=clock) as sandbox:
        sandbox.api_key = OLD
        monkeypatch.setenv("CLARI_BASE_URL", sandbox.base_url)
        monkeypatch.delenv("CLARI_API_KEY")
        monkeypatch.setenv("CLARI_API_KEY_FILE", str(key_file))
        yield sandbox


@pytest.mark.parametrize(("looks_the_same", "scheme"), [(False, "bearer"), (True, "apikey")])
def test_a_key_is_rotated_between_two_polls(
    terminal: Terminal,
    company: Sandbox,
    key_file: Path,
    clock: FakeClock,
    looks_the_same: bool,
    scheme: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The run goes on with the new one, though the file may look as before: then it is Clari's 401 that tells."""
    rotated: list[Event] = []

    def rotate(event: Event) -> None:
        if isinstance(event, Polled) and not rotated:
            rotated.append(event)
            before = key_file.stat()
            key_file.write_text(f"{NEW}\n")
            if looks_the_same:
                os.utime(key_file, ns=(before.st_atime_ns, before.st_mtime_ns))
            company.api_key = NEW
            clock.seconds += 60  # the job is done, which the next poll is told

    monkeypatch.setenv("CLARI_AUTH_SCHEME", scheme)
    code = sync(Hooks([rotate]), 1)
    told = capsys.readouterr()
    assert (code, len(rotated)) == (0, 1), told.err
    assert terminal.query("select state, poll_count > 1 from clari.export_job") == [("LOADED", True)]
    assert not {OLD, NEW} & set(f"{told.out} {told.err}".split())
    status = terminal("status", "--json")
    assert status.document["quota"]["available"] is not None


def test_a_key_that_is_revoked_and_not_replaced_is_refused(terminal: Terminal, company: Sandbox) -> None:
    company.api_key = NEW
    answer = terminal("sync", "--last", "1")
    assert answer.code == 1
    assert "is not accepted" in answer.err
    assert OLD not in answer.err + answer.out


def test_a_file_without_a_key_or_beside_another_key_is_one_line(
    terminal: Terminal, company: Sandbox, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found before anything is asked; what stands in it is not shown."""

    def refused() -> str:
        answer = terminal("sync")
        assert answer.code == 2
        (line,) = answer.err.splitlines()
        assert "cret-1" not in line
        assert NEW not in line
        assert not company.requests
        assert not Path("data").exists()
        return line

    causes = {b" \n": "it is empty", b"se\xc3\xa4cret-1": "it holds characters that no token has"}
    for content, cause in causes.items():
        key_file.write_bytes(content)
        assert f"CLARI_API_KEY_FILE: {key_file} holds no key ({cause}): put the token" in refused()
    key_file.unlink()
    assert f"CLARI_API_KEY_FILE: {key_file} holds no key (No such file or directory): put the token" in refused()
    key_file.write_text(OLD)
    monkeypatch.setenv("CLARI_API_KEY", NEW)
    assert "CLARI_API_KEY_FILE: CLARI_API_KEY is set, too" in refused()


def test_the_sandbox_has_a_key_and_an_environment_of_its_own(company: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set for Clari is not for it."""
    assert company
    monkeypatch.setenv("CLARI_ENV", "prod")
    with commands.sandbox_or_clari(read_settings(), scenario="calm") as settings:
        assert settings.required_key().get_secret_value() not in {OLD, NEW}
        assert settings.env is None


def test_the_last_key_stands_until_there_is_another(key_file: Path) -> None:
    """While the file is written anew, or its link turned to the next version, as Kubernetes does."""
    link = key_file.with_name("link")
    link.symlink_to(key_file)
    source = KeyFile(link)
    assert source.current().get_secret_value() == OLD
    key_file.write_text("")
    assert source.current().get_secret_value() == OLD
    key_file.unlink()
    assert source.refresh().get_secret_value() == OLD
    (newer := key_file.with_name("newer")).write_text(NEW)
    (turned := key_file.with_name("turned")).symlink_to(newer)
    turned.rename(link)
    assert source.current().get_secret_value() == NEW
    assert NEW not in repr(source)
    with pytest.raises(KeyFileError, match="holds no key"):
        KeyFile(key_file).current()
