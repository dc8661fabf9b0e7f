"""Documents in Clari's long CSV, one line per value."""

HEADER = "User,Email,CRM User ID,Role,Parent Role,Timeframe,Field,Week,Start Day,End Day,Data Type,Data Value"


def csv_line(
    amount: object,
    *,
    name: str = "Ann",
    email: str = "ann@corp.test",
    crm: str = "005A",
    roles: str = "CRO,",
    period: str = "Q4 FY 2026",
    field: str = "Commit",
    week: object = 4,
    days: tuple[str, str] = ("10/22/2026", "10/28/2026"),
    measure: str = "Forecast Value",
) -> str:
    """One line; `roles` are a person's own and the one above, `days` the first and the last of the week."""
    return ",".join((name, email, crm, roles, period, field, str(week), *days, measure, f'"{amount}"'))


def csv_of(*lines: str) -> bytes:
    """A document of these lines."""
    return "\n".join((HEADER, *lines)).encode()
