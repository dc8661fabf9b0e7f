"""Alerts of runs that could not write the warehouse: sent at once, and kept in the data folder until a run can."""

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any


class Spool:
    """`alerts_spool.jsonl`: an alert a line, as columns of `alert`, and the ids of the channels that accepted it."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / "alerts_spool.jsonl"

    def add(self, alert: dict[str, Any], channel_ids: Iterable[str]) -> None:
        """Append an alert; `channel_ids` are those of the channels that have accepted it."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        line = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in alert.items()}
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line | {"channel_ids": list(channel_ids)}, ensure_ascii=False) + "\n")

    def read(self) -> list[dict[str, Any]]:
        """The spooled alerts, oldest first; a line that a crash has cut short is skipped."""
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
        """Delete the file, once its alerts are in the warehouse."""
        self._file.unlink(missing_ok=True)
