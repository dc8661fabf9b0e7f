"""What `status` says of the products beside the forecast."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from clari_pipeline.cli.reporting import age_hours
from clari_pipeline.config.settings import Settings
from clari_pipeline.store import fetches
from clari_pipeline.warehouse.session import Session

_WHY = {
    "expired": " and cannot be had again",
    "cut_off": ": Clari cuts it off, and less than a day cannot be asked for",
}


def products_document(session: Session | None, settings: Settings) -> dict[str, Any]:
    """`products` for `status --json`: those that are named, and those that have ever been fetched; else nothing."""
    known = {one.product: one for one in fetches.status(session)} if session is not None else {}
    gaps = fetches.gaps(session) if session is not None else []
    names = dict.fromkeys([*settings.other_products, *known])
    if not names:
        return {}
    return {
        "products": [
            {
                "product": name,
                "is_named": name in settings.products,
                "state": known[name].state if name in known else None,
                "exported_at": _written(known[name].exported_at) if name in known else None,
                "age_hours": age_hours(known[name].exported_at) if name in known else None,
                "rows": known[name].rows if name in known else None,
                "error": known[name].error if name in known else None,
                "gaps": [
                    {"gap_from": _written(gap.gap_from), "gap_to": _written(gap.gap_to), "reason": gap.reason}
                    for gap in gaps
                    if gap.product == name
                ],
            }
            for name in names
        ]
    }


def show_products(console: Console, document: dict[str, Any]) -> None:
    """The same for people, a line each."""
    for one in document.get("products", ()):
        state = one["state"] or "never fetched"
        as_of = (
            f", as of {one['exported_at'][:16].replace('T', ' ')} ({one['age_hours']:.1f} h)"
            if one["exported_at"]
            else ""
        )
        off = "" if one["is_named"] else " (not in CLARI_PRODUCTS)"
        console.print(f"{one['product']}: {state}{as_of}{off}", highlight=False, soft_wrap=True)
        for gap in one["gaps"]:
            stretch = " to ".join(gap[end][:16].replace("T", " ") for end in ("gap_from", "gap_to"))
            console.print(f"   {stretch} is missing{_WHY[gap['reason']]}", highlight=False, soft_wrap=True)


def _written(moment: Any) -> str | None:
    return moment.isoformat() if moment is not None else None
