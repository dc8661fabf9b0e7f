"""Which environment a warehouse belongs to: a process of another environment is refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from clari_pipeline.core.setting_errors import SandboxInProduction
from clari_pipeline.warehouse.errors import WrongEnvironment
from clari_pipeline.warehouse.session import Session, Warehouse, rows, run

_Warehouse = TypeVar("_Warehouse", bound=Warehouse)


class Belonging(Warehouse):
    """A warehouse whose sessions are refused to another environment than the one that it remembers."""

    used_by: str | None = None  # as CLARI_ENV says
    _is_ours = False

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session; the first one checks for all that follow. Raises `WrongEnvironment`."""
        with super().session() as session:  # type: ignore[safe-super] # the engine's own
            if not self._is_ours:
                _refuse_another(session, self.used_by, self.place)
                self._is_ours = True
            yield session


def belonging(engine: type[_Warehouse], used_by: str | None) -> type[_Warehouse]:
    """Warehouses of an engine that only this environment may use."""
    return type(engine.__name__, (Belonging, engine), {"used_by": used_by})


def belongs_to(session: Session) -> str | None:
    """The environment that the warehouse remembers."""
    found = rows(session, "schema_belongs_to")
    return found[0]["env"] if found else None


def claim(session: Session, env: str | None) -> None:
    """Remember the environment where none is remembered; unset is none. Raises as `give` does."""
    if env is None or belongs_to(session) is not None:
        return
    with session.lock("schema"):
        if belongs_to(session) is None:
            give(session, env)


def give(session: Session, env: str | None) -> None:
    """The warehouse belongs to this environment from now on, whatever it remembers; None is none.

    Raises `SandboxInProduction` where a sandbox's figures would be production's.
    """
    refuse_invented_people(session, env)
    with session.transaction():
        run(session, "schema_given_to", env=env)


def refuse_invented_people(session: Session, env: str | None, *, place: str = "the warehouse") -> None:
    """Raise `SandboxInProduction` where a sandbox's figures would be production's."""
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
