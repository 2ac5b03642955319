"""A campaign: what is asked, as a user writes it in a YAML file."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from dualion.errors import CampaignError, CationError, InputError
from dualion.records import Mechanism, content_hash
from dualion.settings import (
    BandSettings,
    CellSettings,
    HopSettings,
    HostSettings,
    PathSettings,
    PhysicsSettings,
    RelaxSettings,
)
from dualion.workflows.tier import Tier, effective

if TYPE_CHECKING:
    from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_MAX_BYTES = 1_000_000


class Doping(PhysicsSettings):
    """One way the working-ion sites are occupied.

    In a campaign file a word (``pure``, ``dilute``, ``full``, ``empty``) or a mapping
    (``{fraction: 0.25, arrangements: 2}``).
    """

    kind: Literal["pure", "dilute", "full", "empty", "fraction"]
    fraction: float | None = Field(
        None, gt=0.0, lt=1.0, description="Share of working-ion sites with the second ion."
    )
    arrangements: int = Field(1, ge=1, le=50, description="How many of the ranked arrangements.")

    @model_validator(mode="after")
    def _fraction_belongs_to_fraction(self) -> Self:
        if (self.kind == "fraction") != (self.fraction is not None):
            msg = "give 'fraction: x' with 0 < x < 1, or one of the words pure, dilute, full, empty"
            raise ValueError(msg)
        return self


def _read_doping(value: object) -> object:
    if isinstance(value, str):
        return {"kind": value}
    if isinstance(value, dict) and "kind" not in value:
        return {"kind": "fraction", **value}
    return value


class Campaign(PhysicsSettings):
    """A framework, a cation pair, and how their barriers are computed."""

    name: str = Field(description="Names the run folder.")
    framework: str = Field(description="A library name, or a structure file beside the campaign.")
    working_ion: str | None = Field(None, description="None: the framework's own.")
    pair: tuple[str, str] = Field(description="The two cations, the host's own first.")
    engine: str = Field("fast", description="An engine or a tier: fast, standard, accurate.")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    evaluations: Literal["inside", "jobs"] = Field(
        "inside",
        description="'inside': a relaxation or band makes its own force calls. 'jobs': each force "
        "call is a job of its own, images in parallel; for density functionals.",
    )
    prior: str | None = Field(
        None,
        description="A cheap engine that spares the other one force calls, or 'learnt': a force "
        "field fitted to that one's own calls. With it states are relaxed on a surrogate, and "
        'bands with `method: surrogate` (see "Surrogate").',
    )
    mechanism: Mechanism = Mechanism.VACANCY
    charge: int | None = Field(
        None,
        ge=-4,
        le=4,
        description="Of the cell with the defect, in e, on a uniform background; None: what the "
        "defect of a monovalent cation has (vacancy -1, interstitial +1) if the engine knows "
        "charges, else 0.",
    )
    doping: tuple[Annotated[Doping, BeforeValidator(_read_doping)], ...] = Field(
        (Doping(kind="pure"), Doping(kind="dilute")), min_length=1
    )
    cell: CellSettings = CellSettings()
    host: HostSettings = HostSettings()
    hops: HopSettings = HopSettings()
    relax: RelaxSettings = RelaxSettings()
    path: PathSettings = PathSettings()
    band: BandSettings = BandSettings()
    seed: int = Field(0, ge=0, le=2**31 - 1)
    tiers: tuple[Tier, ...] = Field(
        (), max_length=5, description="Further engines, each for what a rule promotes to it."
    )
    trust_model: bool = Field(
        default=False, description="Accept model weights that are not known by their sha256."
    )

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value) or ".." in value:
            msg = f"{value!r} is not a plain name: use letters, digits, '_', '-' and '.'"
            raise ValueError(msg)
        return value

    @field_validator("pair")
    @classmethod
    def _known_pair(cls, value: tuple[str, str]) -> tuple[str, str]:
        from dualion.structures.cations import check_pair

        try:
            check_pair(*value)
        except CationError as error:
            raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _surrogate_has_a_prior(self) -> Self:
        if self.band.method == "surrogate" and self.prior is None:
            remedy = "add 'prior: chgnet', or another cheap engine, or 'prior: learnt'"
            msg = f"'band: {{method: surrogate}}' needs a prior: {remedy}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _empty_stands_alone(self) -> Self:
        if self.emptied and len({doping.kind for doping in self.doping}) > 1:
            msg = "'empty' is another host: give it a campaign of its own, with 'doping: [empty]'"
            raise ValueError(msg)
        if self.emptied and self.mechanism is not Mechanism.INTERSTITIAL:
            msg = "in 'doping: [empty]' an ion moves without others: add 'mechanism: interstitial'"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _tiers_fit(self) -> Self:
        before = self.engine
        for number, tier in enumerate(self.tiers):
            try:
                before = effective(self, tier, before=before).engine
            except ValidationError as problem:
                field, what, remedy = explain(problem, type(self))
                hint = f": {remedy}" if remedy else ""
                msg = f"tiers.{number}.{field}: {what}{hint}"
                raise ValueError(msg) from problem
        return self

    @property
    def emptied(self) -> bool:
        """Whether the working ions are taken out of the framework first."""
        return any(doping.kind == "empty" for doping in self.doping)

    @property
    def outer(self) -> bool:
        """Whether each force call is a job of its own; the numbers are the same."""
        return self.evaluations == "jobs"

    @property
    def settings_fingerprint(self) -> str:
        """Hash of every setting that a barrier depends on; the name is not one."""
        wanted = {"cell", "host", "relax", "path", "band", "seed", "charge"}
        if self.prior is not None:
            wanted |= {"prior"}
        asked = self.model_dump(mode="json", include=wanted)
        return content_hash(asked | {"charge": self.charge or 0})  # resolved, it is in the theory

    def defect_charge(self, *, charged: bool) -> int:
        """Charge of a cell with the defect.

        Parameters
        ----------
        charged
            Whether the engine knows charges.

        Returns
        -------
        int
            In e: as given, else that of the defect a monovalent cation makes (it takes its charge
            with it, or brings it), else 0 for engines that know no charge.
        """
        if self.charge is not None:
            return self.charge
        if not charged:
            return 0
        return -1 if self.mechanism is Mechanism.VACANCY else 1


def require_name(name: str, *, where: str) -> None:
    """Raise a :class:`CampaignError` unless a name may be that of a run's folder."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise CampaignError(
            f"{name!r} is not a plain name",
            where=where,
            remedy="use letters, digits, '_', '-' and '.'",
        )


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice, instead of keeping the last."""


def _unique_mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key, _ in node.value:
        if str(key.value) in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key.value!r} is given twice", key.start_mark
            )
        seen.add(str(key.value))
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def read_yaml(file: Path, *, error: type[InputError] = CampaignError) -> dict[str, Any]:
    """Read a YAML mapping safely.

    Parameters
    ----------
    file
        A small file a user wrote.
    error
        Class of the errors raised.

    Returns
    -------
    dict
        The mapping.

    Raises
    ------
    InputError
        If the file cannot be read, is no YAML mapping, or holds tags, tabs or a key twice.
    """
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise error(f"{file.stat().st_size} bytes", where=str(file), remedy="is this YAML?")
        text = file.read_text(encoding="utf-8")
    except OSError as problem:
        raise error(
            f"cannot be read ({problem.strerror})", where=str(file), remedy="check the path"
        ) from problem
    except UnicodeDecodeError as problem:
        raise error("is not UTF-8 text", where=str(file), remedy="give a YAML file") from problem
    try:
        data = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        line = f" line {mark.line + 1}" if mark else ""
        what = (problem.problem or "is not YAML").replace("'\\t'", "a tab")
        remedy = "plain YAML only: no tags, indent with blanks, each key once"
        raise error(what, where=f"{file}{line}", remedy=remedy) from problem
    except (yaml.YAMLError, RecursionError, ValueError) as problem:
        raise error(f"is not YAML ({problem})", where=str(file), remedy="plain YAML") from problem
    if not isinstance(data, dict):
        raise error(
            f"holds a {type(data).__name__}, not a mapping",
            where=str(file),
            remedy="write 'key: value' lines, see workflows/",
        )
    return data


def explain(problem: ValidationError, model: type[BaseModel]) -> tuple[str, str, str]:
    """Turn the first error of a validation into ``(field, what, remedy)``."""
    first = problem.errors()[0]
    places = [str(part) for part in first["loc"]]
    field = ".".join(places)
    more = problem.error_count() - 1
    tail = f" (and {more} more)" if more else ""
    value = first.get("input")
    if first["type"] == "extra_forbidden":
        known = _known_keys(model, places[:-1])
        near = get_close_matches(places[-1], known, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        return field, f"unknown key {places[-1]!r}{tail}", remedy
    if first["type"] == "missing":
        return field, f"is missing{tail}", f"add '{places[-1]}:' to the file"
    what = first["msg"].removeprefix("Value error, ")
    what = what[0].lower() + what[1:]
    seen = "" if isinstance(value, dict | list | tuple) else f" (seen: {value!r})"
    return field, f"{what}{seen}{tail}", ""


def _known_keys(model: type[BaseModel], places: list[str]) -> list[str]:
    for place in places:
        field = model.model_fields.get(place)
        kind = field.annotation if field else None
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            model = kind
        elif place == "doping":
            model = Doping
    return sorted(model.model_fields)


def load_campaign(file: Path) -> Campaign:
    """Read a campaign file.

    Parameters
    ----------
    file
        YAML, see the ``workflows`` folder.

    Returns
    -------
    Campaign
        With every default filled in.

    Raises
    ------
    CampaignError
        Naming file, field, the value seen and the remedy.
    """
    data = read_yaml(file)
    try:
        return Campaign.model_validate(data)
    except ValidationError as problem:
        field, what, remedy = explain(problem, Campaign)
        raise CampaignError(what, where=f"{file}: {field}", remedy=remedy) from problem
