"""Alerts of runs that could not write the warehouse: sent at once, and kept in the data folder until they can be."""

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any


class Spool:
    """A file of JSON lines, an alert each, with the ids of the channels that have taken it."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / "alerts_spool.jsonl"

    def add(self, alert: dict[str, Any], channel_ids: Iterable[str]) -> None:
        """Keep an alert that was sent, or tried."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        line = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in alert.items()}
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line | {"channel_ids": list(channel_ids)}, ensure_ascii=False) + "\n")

    def read(self) -> list[dict[str, Any]]:
        """What is kept, the oldest first; a line that a crash has cut is none."""
        try:
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        kept = []
        for line in lines:
            try:
                alert = json.loads(line)
                kept.append(alert | {"created_at": datetime.fromisoformat(alert["created_at"])})
            except (ValueError, KeyError):
                continue
        return kept

    def clear(self) -> None:
        """All of it stands in the warehouse now."""
        self._file.unlink(missing_ok=True)
