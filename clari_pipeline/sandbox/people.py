"""The people of the sandbox's company: one head, vice presidents, managers and their teams."""

import unicodedata
from collections import Counter
from dataclasses import dataclass
from enum import Enum

from .draws import between

DOMAIN = "northwind.example"
# fmt: off
FIRST = (
    "Dana", "Priya", "Luis", "Maya", "Wei", "Aisha", "Tom", "Ingrid", "Kofi", "Elena",
    "Marco", "Yuki", "Omar", "Sofia", "Liam", "Nadia", "Hugo", "Zara", "Ivan", "Chloe",
    "Ravi", "Emma", "Diego", "Leila", "Noah", "Freya", "Jonas", "Amara", "Theo", "Mei",
    "Pablo", "Hana", "Felix", "Ruth", "Samir", "Greta", "Eli", "Nora", "Anton", "Vera",
)
LAST = (
    "Whitfield", "Nair", "Ortega", "Becker", "Larsen", "Mensah", "Rossi", "Tanaka", "Haddad", "Costa",
    "Murphy", "Novak", "Dubois", "Khan", "Petrov", "Martin", "Patel", "Olsen", "Silva", "Farah",
    "Walsh", "Lindqvist", "Jansen", "Okafor", "Weber", "Chen", "Alvarez", "Sato", "Keller", "Stein",
    "Aziz", "Holm", "Levy", "Park", "Moreau", "Byrne", "Fischer", "Romano", "Singh", "Vargas",
)
# fmt: on

# Names as they occur in real organisations and break careless parsers: quotes and commas (CSV), a line break,
# right-to-left and wide scripts, an emoji beyond 16 bits, markup, an SQL quote, a spreadsheet formula.
AWKWARD = (
    'Maya "Max" O\'Neil, Jr.',
    "張偉",
    "Anna\nMaria Kowalska",
    "محمد العلي",
    "Zoë 🚀 D'Angelo",
    "Robert'); DROP TABLE entries;--",
    "Ines <b>Ines</b> & Partners",
    "=HYPERLINK(1), Łukasz",
    "שרה כהן",
    "Nguyễn Thị Ánh-Dương",
)
REGIONS = ("East", "West", "Central", "EMEA", "APAC", "LATAM", "Nordics", "Iberia", "Federal", "Healthcare")
TEAM = 7  # people a manager leads
SPAN = 4  # managers a vice president leads


class Level(Enum):
    """A level of the hierarchy; a person's calls are for everybody below, too."""

    HEAD = "CRO"
    VICE_PRESIDENT = "VP Sales"
    MANAGER = "Sales Manager"
    REP = "AE"


@dataclass(frozen=True, slots=True)
class User:
    """A row of a document's `users`; the parent's id and name are empty at the top."""

    user_id: str
    name: str
    email: str
    crm_id: str
    scope_id: str
    hierarchy_id: str
    hierarchy_name: str
    parent_hierarchy_id: str = ""
    parent_hierarchy_name: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """A user and their level; `leader` is the list index of their manager, None for the head."""

    user: User
    level: Level
    leader: int | None


def hire(seed: int, people: int) -> list[Person]:
    """Generate so many people, managers before their reports. Raises `ValueError` for none."""
    if people < 1:
        raise ValueError(f"A company needs at least one person, not {people}.")
    managers = max(1, round(people / (TEAM + 1)))
    vice_presidents = max(1, -(-managers // SPAN))
    levels = (
        [Level.HEAD] + [Level.VICE_PRESIDENT] * vice_presidents + [Level.MANAGER] * managers + [Level.REP] * people
    )[:people]
    first_manager, first_rep = 1 + vice_presidents, 1 + vice_presidents + managers
    hired: list[Person] = []
    emails: Counter[str] = Counter()
    for place, level in enumerate(levels):
        leader = {
            Level.HEAD: None,
            Level.VICE_PRESIDENT: 0,
            Level.MANAGER: 1 + (place - first_manager) % vice_presidents,
            Level.REP: first_manager + (place - first_rep) % managers,
        }[level]
        awkward = place - first_rep if level is Level.REP else len(AWKWARD)
        first = FIRST[between(0, len(FIRST) - 1, seed, "first name", place)]
        last = LAST[between(0, len(LAST) - 1, seed, "last name", place)]
        name = AWKWARD[awkward] if awkward < len(AWKWARD) else f"{first} {last}"
        above = None if leader is None else hired[leader].user
        hired.append(Person(_user(place, level, name, _email(name, place, emails), leader, above), level, leader))
    return hired


def _email(name: str, place: int, taken: Counter[str]) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = "".join(letter if letter.isalpha() else " " for letter in plain).split()
    stem = ".".join(words[:3]) or f"person{place}"
    taken[stem] += 1
    return f"{stem}{taken[stem] if taken[stem] > 1 else ''}@{DOMAIN}"


def role_id(number: int) -> str:
    """The CRM's id of a role, eighteen characters. A user's id is a number and the role's id [gitlab]."""
    return f"00E4M0{number:09}UAS"


def _user(place: int, level: Level, name: str, email: str, leader: int | None, above: User | None) -> User:
    region = "" if above is None else above.hierarchy_name.removeprefix("VP Sales - ")
    if above is None:
        role = level.value
    elif level is Level.VICE_PRESIDENT:
        again = (place - 1) // len(REGIONS)
        role = f"VP Sales - {REGIONS[(place - 1) % len(REGIONS)]}{f' {again + 1}' if again else ''}"
    elif level is Level.MANAGER:
        role = f"Sales Manager - {region}, team {place}"
    else:
        role = region.replace(Level.MANAGER.value, Level.REP.value)
    number = 280_600 + place
    # A team shares one role.
    hierarchy_id = role_id(place + 1 if level is not Level.REP else 1_000_001 + (leader or 0))
    return User(
        f"{number}:{hierarchy_id}",
        name,
        email,
        f"005110000{place:06}AAI",
        f"{number}::{'REP' if level is Level.REP else 'MGR'}",
        hierarchy_id,
        role,
        "" if above is None else above.hierarchy_id,
        "" if above is None else above.hierarchy_name,
    )
