"""Compare a document's contract with those of the forecast's earlier documents of the same shape."""

from collections import defaultdict
from typing import Any

from clari_pipeline.checks.export_gate import ExportFacts
from clari_pipeline.documents import Contract
from clari_pipeline.store.facts import KeyBefore
from clari_pipeline.store.ledger_rows import ExportRow

_NAMED = 5
_OF_ONE_WEEK = {"entries[].forecastValue", "Data Type[].Forecast Value"}  # nobody may have called yet in a new week


def of_contract(export: ExportRow, contract: Contract, before: list[KeyBefore]) -> ExportFacts:
    """Facts on keys that are new, gone or of another kind; keys that vary with the data alone are none of these.

    New is a key that the pipeline does not read, and no earlier document had. Gone is a key that every element had in
    the newest document asked for in the same way, and none has now. Of another kind is a key whose values share no kind
    with those of the newest document in which it had any. A first document is compared with nothing, and passes.
    """
    known: defaultdict[str, set[str]] = defaultdict(set)
    for key in before:
        known[key.path].add(key.kind)
    kinds = contract.kinds()
    excused = set() if export.include_historical else _OF_ONE_WEEK
    new = sorted({key.path for key in contract.keys if not key.is_known and before and key.path not in known})
    gone = sorted(
        {key.path for key in before if key.was_always and key.path not in kinds and contract.could_have(key.path)}
        - excused
    )
    changed = [
        {"path": path, "before": _words(known[path]), "now": _words(kinds[path])}
        for path in sorted(kinds.keys() & known.keys())
        if _valued(kinds[path]) and _valued(known[path]) and not _valued(kinds[path]) & _valued(known[path])
    ]
    sentences = (
        _named("new", [f"{path} ({_words(kinds[path])})" for path in new]),
        _named("gone", gone),
        _named("of another kind", [f"{one['path']} ({one['before']} before, {one['now']} now)" for one in changed]),
    )
    evidence: dict[str, Any] = {
        "summary": "; ".join(filter(None, sentences)),
        "contract": contract.fingerprint,
        "is_first": not before,
        "new": [{"path": path, "kind": _words(kinds[path])} for path in new],
        "gone": gone,
        "of_another_kind": changed,
    }
    return ExportFacts(
        request_id=export.request_id,
        facts={"keys_changed": len(new) + len(gone) + len(changed)},
        evidence={"contract_is_stable": evidence},
    )


def _valued(kinds: set[str]) -> set[str]:
    return kinds - {"null"}


def _words(kinds: set[str]) -> str:
    return ", ".join(sorted(_valued(kinds) or kinds))


def _named(what: str, paths: list[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"{what}: {', '.join(paths[:_NAMED])}{more}" if paths else ""
