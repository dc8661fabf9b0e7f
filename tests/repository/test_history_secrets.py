"""A secret that was committed once is found, wherever it stood, whatever was deleted later; and is not printed."""

import subprocess
from pathlib import Path

import pytest

from tests.repository.history_secrets import INVENTED, LOOKED_AT, knows, main

ROOT = Path(__file__).resolve().parents[2]

# Put together here, or they would be found in this file.
_KEY = "".join(("9f8e7d6c", "5b4a3f2e", "1d0c9b8a"))
_AWS = "".join(("AKIA", "Z7QX2M4N", "8P3R5T6V"))
_SLACK = "".join(("xoxb-", "123456789012-", "1234567890123-", "Ab3dEf6hIj9lMn2pQr5tUv8x"))


class Repository:
    """A git repository to commit to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._git("init", "--quiet")

    def commit(self, file: str, text: str, message: str = "Something") -> None:
        (self.folder / file).write_text(text, encoding="utf-8")
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)

    def _git(self, *words: str) -> None:
        who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, *words], cwd=self.folder, check=True)

    @property
    def newest(self) -> str:
        asked = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=self.folder, check=True, capture_output=True, text=True
        )
        return asked.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path)
    made.commit("README.md", "# Nothing to hide\n\nCLARI_API_KEY=\nCLARI_API_KEY=$KEY\n")
    return made


@pytest.mark.parametrize(
    ("line", "kind", "secret"),
    [
        (f"CLARI_API_KEY={_KEY}", "Clari's key in a variable", _KEY),
        (f"export CLARI_API_KEY='{_KEY}'", "Clari's key in a variable", _KEY),
        (f'curl -H "apikey: {_KEY}" https://api.clari.com/v4/admin/limits', "Clari's key in a header", _KEY),
        (f'headers = {{"apikey": "{_KEY}"}}', "Clari's key in a header", _KEY),
        (f"Authorization: Bearer {_KEY}", "a token in a header", _KEY),
        (f"postgresql://writer:{_KEY}@db.example.com/warehouse", "Basic Auth Credentials", _KEY),
        (f"aws_access_key_id = {_AWS}", "AWS Access Key", _AWS),
        (f"CLARI_ALERT_URLS=slack://{_SLACK}", "Slack Token", _SLACK),
        (f"-----BEGIN {'RSA'} PRIVATE KEY-----", "Private Key", "BEGIN RSA"),
    ],
)
def test_a_secret_that_was_deleted_again_is_found(
    repository: Repository, capsys: pytest.CaptureFixture[str], line: str, kind: str, secret: str
) -> None:
    repository.commit("notes.txt", f"before\n{line}\nafter\n")
    repository.commit("notes.txt", "before\nafter\n")
    assert main(repository.folder) == 1
    told = capsys.readouterr()
    assert f"notes.txt: {kind}" in told.err
    assert secret not in told.out + told.err


def test_one_in_a_message_of_a_commit_is_found(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    repository.commit("notes.txt", "nothing\n", message=f"Try it with\n\ncurl -H 'apikey: {_KEY}'")
    assert main(repository.folder) == 1
    assert "message: Clari's key in a header" in capsys.readouterr().err


def test_what_is_no_secret_is_not_found(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    """Checksums, names, and what tests have made up: those that are listed, and no others."""
    invented = INVENTED.read_text(encoding="utf-8").splitlines()
    assert invented
    repository.commit(
        "notes.txt", f"sha256 {'0123456789abcdef' * 4}\npassword = '{invented[0]}'\nCLARI_API_KEY_FILE=/run/key\n"
    )
    assert main(repository.folder) == 0
    assert "lines of the history looked at" in capsys.readouterr().out


def test_what_is_no_repository_is_no_pass(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is it a repository"):
        main(tmp_path)


def test_what_is_new_is_looked_at_alone_unless_all_is_asked_for(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """A commit that the repository does not know is no reason to look at nothing."""
    repository.commit("notes.txt", f"CLARI_API_KEY={_KEY}\n")
    looked_at = repository.newest
    repository.commit("more.txt", "nothing\n")
    assert (main(repository.folder, looked_at), main(repository.folder)) == (0, 1)
    assert main(repository.folder, "0123456789abcdef0123456789abcdef01234567") == 1
    repository.commit("again.txt", f"apikey: {_KEY}\n")
    capsys.readouterr()
    assert main(repository.folder, looked_at) == 1
    found = capsys.readouterr().err
    assert ("again.txt" in found, "notes.txt" in found) == (True, False)


def test_the_commit_that_was_looked_at_is_one_of_this_repository() -> None:
    """Or every look is one at the whole history."""
    if not (ROOT / ".git").exists() or (ROOT / ".git/shallow").exists():
        return  # a source distribution has no history, a shallow clone not all of it
    assert knows(ROOT, LOOKED_AT.read_text(encoding="utf-8").strip())
