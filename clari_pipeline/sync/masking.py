"""Mask secrets of the settings, and names and e-mail addresses of people, in text and JSON."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from unicodedata import normalize
from urllib.parse import parse_qsl, unquote, urlsplit

from clari_pipeline.config.key_file import KeyFile, KeyFileError
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.secret_masking import MASK, SecretMasker
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.notify import split_addresses

__all__ = ["MASK", "Mask", "masker_of_lines"]
_SHORTEST_IN_A_LINE = 12  # characters; a shorter password may be any word, and the warehouse logs none
_PERSON = "(a person)"
_ADDRESS = re.compile(r"[\w.+'%-]+(?:@|%40)[\w-]+(?:\.[\w-]+)*")
_NO_SECRETS = {"sslmode", "warehouse", "role", "database", "schema", "application_name", "connect_timeout", "user"}


class Mask:
    """Masks secrets and the given names in texts, and in any JSON value."""

    def __init__(self, settings: Settings | None = None, *, people: Iterable[str] | None = None) -> None:
        """`people` are names and e-mail addresses; if given, anything like an e-mail address is masked, too."""
        self._secrets = SecretMasker(_secrets(settings) if settings else ())
        self._people = None if people is None else _any_of({name for name in people if name.strip()})
        self._with_people = people is None

    def text(self, text: str) -> str:
        """The text with secrets and people masked."""
        text = self._secrets.text(text)
        if self._with_people:
            return text
        text = normalize("NFC", text)
        if self._people is not None:
            text = self._people.sub(_PERSON, text)
        return _ADDRESS.sub(_PERSON, text)

    def everywhere(self, value: Any) -> Any:
        """The value with every text in it masked, keys of objects included."""
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return {self.everywhere(key): self.everywhere(entry) for key, entry in value.items()}
            case list() | tuple():
                return [self.everywhere(entry) for entry in value]
            case _:
                return value


def masker_of_lines(settings: Settings | None) -> SecretMasker:
    """The masker for the lines that a command prints: keys and tokens of at least twelve characters."""
    return SecretMasker(_secrets(settings) if settings else (), shortest=_SHORTEST_IN_A_LINE)


def _secrets(settings: Settings) -> Iterable[str]:
    with suppress(SettingsError, KeyFileError):
        source = settings.key_source()
        key = (source.current() if isinstance(source, KeyFile) else source).get_secret_value()
        yield from (key, key.strip())
    if settings.alert_urls is not None:
        for address in split_addresses(settings.alert_urls.get_secret_value()):
            yield address
            yield from (part for part in re.split(r"[/?&=:@]+", address) if len(part) >= 16)  # tokens in it
    yield from _of_address(settings.warehouse_url.get_secret_value())


def _of_address(address: str) -> Iterable[str]:
    """The warehouse URL, its password, and every query option that is not known to be harmless; none of DuckDB's."""
    if address.startswith("duckdb:"):
        return
    yield address
    with suppress(ValueError):
        parts = urlsplit(address)
        found = [parts.password or "", *(value for name, value in parse_qsl(parts.query) if name not in _NO_SECRETS)]
        for secret in found:
            yield from (secret, unquote(secret))


def _any_of(texts: set[str]) -> re.Pattern[str] | None:
    """A pattern of any of these as whole words, the longest first, case-insensitive; None for none."""
    if not texts:
        return None
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile("|".join(map(_as_words, longest_first)), re.IGNORECASE)


def _as_words(name: str) -> str:
    """A pattern of a name with any whitespace between its words; word boundaries beside ASCII letters only."""
    name = normalize("NFC", name.strip())
    before, after = (r"(?<!\w)" if name[0].isascii() else ""), (r"(?!\w)" if name[-1].isascii() else "")
    return before + r"\s+".join(map(re.escape, name.split())) + after
