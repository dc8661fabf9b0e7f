"""The environment (`CLARI_ENV`) that is stored in a warehouse: processes of another one are refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from clari_pipeline.core.setting_errors import SandboxInProduction
from clari_pipeline.warehouse.errors import WrongEnvironment
from clari_pipeline.warehouse.session import Session, Warehouse, rows, run

_Warehouse = TypeVar("_Warehouse", bound=Warehouse)


class EnvironmentGuard(Warehouse):
    """Mixin of a warehouse: its sessions raise where it stores another environment than that of this process."""

    used_by: str | None = None  # CLARI_ENV of this process
    _is_checked = False

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session; the first one is checked for all that follow. Raises `WrongEnvironment`."""
        with super().session() as session:  # type: ignore[safe-super] # the engine's own
            if not self._is_checked:
                _refuse_another(session, self.used_by, self.place)
                self._is_checked = True
            yield session


def guarded(engine: type[_Warehouse], used_by: str | None) -> type[_Warehouse]:
    """The engine's class of warehouses with `EnvironmentGuard` mixed in, for a process of this environment."""
    return type(engine.__name__, (EnvironmentGuard, engine), {"used_by": used_by})


def belongs_to(session: Session) -> str | None:
    """The environment that is stored in the warehouse; None where none is."""
    found = rows(session, "schema_belongs_to")
    return found[0]["env"] if found else None


def claim(session: Session, env: str | None) -> None:
    """Store the environment where none is stored yet; does nothing for None. Raises as `give` does."""
    if env is None or belongs_to(session) is not None:
        return
    with session.lock("schema"):
        if belongs_to(session) is None:
            give(session, env)


def give(session: Session, env: str | None) -> None:
    """Store the environment in place of any other; None clears it.

    Raises `SandboxInProduction` for `prod` where the warehouse holds a sandbox's people.
    """
    refuse_invented_people(session, env)
    with session.transaction():
        run(session, "schema_given_to", env=env)


def refuse_invented_people(session: Session, env: str | None, *, place: str = "the warehouse") -> None:
    """Raise `SandboxInProduction` for `prod` where the warehouse holds a sandbox's people (emails in `.example`)."""
    if env == "prod" and (found := rows(session, "preflight/invented_people")):
        people = ", ".join(f"{one['people']} people of {one['forecast_id']}" for one in found)
        raise SandboxInProduction(
            f"{place} holds {people} with addresses in .example, as a sandbox's have, and CLARI_ENV is prod: "
            "begin with an empty warehouse and landing folder (CLARI_WAREHOUSE_URL, CLARI_DATA_DIR), or unset CLARI_ENV"
        )


def _refuse_another(session: Session, env: str | None, place: str) -> None:
    remembered = belongs_to(session)
    if remembered is not None and remembered != env:
        raise WrongEnvironment(
            f"warehouse {place} belongs to {remembered}, and CLARI_ENV {f'is {env}' if env else 'is not set'}: set "
            f"CLARI_ENV={remembered}, name another warehouse in CLARI_WAREHOUSE_URL, or give it away on purpose with "
            "clari-pipeline environment --take-over",
            remembered=remembered,
        )
