"""The rules of `clari_pipeline.toml`: which swings alert, what forecast fields are compared with, who is the same.

```toml
[swings]                       # CLARI_SWING_THRESHOLD and CLARI_SWING_MIN_AMOUNT hold for all
min_share_of_quota = 0.01      # a change below 1 % of the person's quota is none
fields = ["Commit"]            # only these alert, by name or id; all unless set
reps_muted_in_weeks = [1, 2]   # people to whom nobody reports wake nobody in these weeks of the quarter
severity = "P3"

[[swings.rule]]                # a rule is for a field, a role, a person, or for all that it names at once
role = "Account Executive"
min_amount = 50_000

[[swings.rule]]
person = "cro@example.com"
threshold = 0.08

[fields."Commit"]              # where quota, closed and pipeline of a forecast field stand
quota = "Quota"
closed = "Closed Won"
pipeline = "Pipeline"

[[field]]                      # one field that is spelt in several ways over time, by name or id; `name` is shown
name = "Churn & Downsell Flash"
also = ["Churn/Downsell Flash"]

[same.fields]                  # where a quarter's exports change between JSON and CSV: what the newer one
"Commit (USD)" = "fc_commit"   # writes is the known field of that name or id; "new" is none of those known
[same.people]                  # by email, CRM id or user id
"d.lee@new.example" = "d.lee@old.example"

[[expectation]]                # a rule of one's own on a table (docs/quality.md): an expectation of Great Expectations,
table = "pipeline_coverage"    # and its arguments
type = "expect_column_values_to_be_between"
column = "coverage_ratio"
min_value = 3
where = "is_top and weeks_to_end > 4"
```
"""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    model_validator,
)

from clari_pipeline.config.values import faults_of, refuse_percent_sign, refuse_percentage
from clari_pipeline.core.runbook import PipelineError

RULES_FILE = Path("clari_pipeline.toml")


def _number(value: object) -> object:
    """Refuse a number in quotes, which pydantic would accept: it is a slip."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"write a number, without quotes, instead of {value!r}")  # noqa: TRY004 - pydantic's way
    return value


Share = Annotated[
    Decimal,
    Field(ge=0, decimal_places=6),
    AfterValidator(refuse_percentage),
    BeforeValidator(_number),
    BeforeValidator(refuse_percent_sign),
]
Amount = Annotated[Decimal, BeforeValidator(_number), Field(ge=0, max_digits=18, decimal_places=4)]
Week = Annotated[int, BeforeValidator(_number), Field(ge=1, le=14)]
Spelling = Annotated[str, Field(min_length=1)]


class RulesError(PipelineError, ValueError):
    """`clari_pipeline.toml`, or a rule in a suite file, is invalid. One line: every fault with file and place."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SwingRule(_Table):
    """`[[swings.rule]]`: bounds for a field, a role or a person; what is None is as for everybody.

    Fractions, not percentages; amounts in the call's currency. Where several rules match, one that names a person
    takes precedence over one that names a role, and that over one that names only a field; of equal ones the later. A
    field is named by name or id, a role by name or id, a person by name, email address or user id.
    """

    field: str | None = None
    role: str | None = None
    person: str | None = None
    threshold: Share | None = None
    min_amount: Amount | None = None
    min_share_of_quota: Share | None = None
    alert: StrictBool | None = None
    muted_in_weeks: tuple[Week, ...] | None = None

    @model_validator(mode="after")
    def _is_for_somebody(self) -> Self:
        if self.field is None and self.role is None and self.person is None:
            raise ValueError("a rule names a field, a role or a person")
        return self

    @property
    def rank(self) -> int:
        """The precedence among matching rules: the highest wins."""
        return 4 * (self.person is not None) + 2 * (self.role is not None) + (self.field is not None)


class SwingRules(_Table):
    """`[swings]`: what holds for all calls, unless a rule matches."""

    min_share_of_quota: Share = Decimal(0)
    fields: tuple[str, ...] = ()
    reps_muted_in_weeks: tuple[Week, ...] = ()
    severity: Literal["P1", "P2", "P3"] = "P3"
    rule: tuple[SwingRule, ...] = ()


class FieldRule(_Table):
    """`[fields.NAME]`: the fields that hold the quota, closed and pipeline amounts of a forecast field."""

    quota: str | None = None
    closed: str | None = None
    pipeline: str | None = None


class SameRules(_Table):
    """`[same]`: aliases of fields and people in documents of another format, each mapped to the known one."""

    fields: dict[str, str] = Field(default_factory=dict)
    people: dict[str, str] = Field(default_factory=dict)


class SpeltField(_Table):
    """`[[field]]`: a field that documents spell in several ways, each a name or an id. They are joined into one."""

    name: Spelling
    also: Annotated[tuple[Spelling, ...], Field(min_length=1)]

    @property
    def spellings(self) -> tuple[str, ...]:
        """All spellings, in order of precedence: `name` first."""
        return self.name, *self.also


class ExpectationRule(_Table):
    """`[[expectation]]`: a rule of the user's own on a table; every key that is not named here is an argument.

    `where` is a condition in DuckDB's SQL: rows that do not meet it are not judged. `explains` says for people what the
    rule protects. The rest, table, type and arguments, is checked by `sync.own_rules`, which knows the tables.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    table: Spelling
    type: Spelling
    severity: Literal["WARN", "ERROR"] = "WARN"
    where: Spelling | None = None
    name: Spelling | None = None
    explains: Spelling | None = None

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Its arguments, fractions as decimals."""
        return self.model_extra or {}


class Rules(_Table):
    """The content of `clari_pipeline.toml`."""

    swings: SwingRules = SwingRules()
    fields: dict[str, FieldRule] = Field(default_factory=dict)
    field: tuple[SpeltField, ...] = ()
    same: SameRules = SameRules()
    expectation: tuple[ExpectationRule, ...] = ()

    @model_validator(mode="after")
    def _refuse_repeated_spellings(self) -> Self:
        seen: dict[str, int] = {}
        for place, one in enumerate(self.field):
            for spelling in one.spellings:
                if spelling in seen:
                    raise ValueError(
                        f"field.{place}: {spelling!r} stands in field.{seen[spelling]} already: write it once"
                    )
                seen[spelling] = place
        return self

    @property
    def spellings(self) -> Mapping[str, tuple[str, ...]]:
        """Each spelling of `[[field]]`, with all spellings of its field in order of precedence."""
        return {spelling: one.spellings for one in self.field for spelling in one.spellings}

    @property
    def aliases_text(self) -> str:
        """`[same]` and `[[field]]` as text, stored as part of the reader's fingerprint; empty without either."""
        same = f" with {self.same}" if self.same.fields or self.same.people else ""
        return f"{same} and {self.field}" if self.field else same


_KEYS = {key for table in _Table.__subclasses__() for key in table.model_fields}


def read_rules(file: Path = RULES_FILE) -> Rules:
    """Read the rules; without a file, the defaults. Raises `RulesError`, all faults in one line."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Rules()
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{file} cannot be read: {error}") from None
    try:
        return Rules.model_validate(tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{file} is no TOML: {error}") from None
    except ValidationError as error:
        faults = [
            ": ".join(filter(None, (".".join(map(str, place)), remedy)))
            for place, remedy in faults_of(error, known=_KEYS)
        ]
        raise RulesError(f"{file}: {'; '.join(faults)}") from None
