"""Journeys as data: one TOML file each, with the templates of its messages in a directory beside it."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urljoin, urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from campaign import domain
from campaign.domain import Outcome, Signal
from campaign.templates import Template, TemplateError

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class JourneyError(Exception):
    """A journey's file cannot be used; the text says which and why."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Wait(_Part):
    kind: Literal["wait"]
    id: Slug
    title: Line
    hours: Annotated[float, Field(gt=0, le=24 * 365)]
    next: Slug
    until: list[Signal] = []


class _Email(_Part):
    kind: Literal["email"]
    id: Slug
    title: Line
    subject: Line
    template: Slug
    links: dict[Slug, str] = {}
    next: Slug


class _Case(_Part):
    on: Signal
    go: Slug


class _Branch(_Part):
    kind: Literal["branch"]
    id: Slug
    title: Line
    cases: list[_Case]
    otherwise: Slug


class _End(_Part):
    kind: Literal["end"]
    id: Slug
    title: Line
    outcome: Outcome


class _File(_Part):
    slug: Slug
    name: Line
    active: bool = True
    triggers: list[Slug]
    restart_after_days: Annotated[int, Field(ge=0)] = 30
    steps: list[Annotated[_Wait | _Email | _Branch | _End, Field(discriminator="kind")]]


@dataclass(frozen=True)
class Creative:
    """What an e-mail step says. `links` lead to absolute addresses, by the name templates use."""

    subject: Template
    text: Template
    html: Template
    links: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """A journey and its messages, by step."""

    journey: domain.Journey
    creatives: Mapping[str, Creative]


def load(directory: Path, *, shop_url: str, wait_scale: float) -> dict[str, Plan]:
    """Every journey of a directory, by slug. Raises JourneyError."""
    plans = {}
    for path in sorted(directory.glob("*.toml")):
        try:
            plan = _plan(path, shop_url, wait_scale)
        except (OSError, ValueError, ValidationError, TemplateError) as error:
            raise JourneyError(f"{path}: {error}") from error
        if plan.journey.slug in plans:
            raise JourneyError(f"{path}: there is a journey {plan.journey.slug} already")
        plans[plan.journey.slug] = plan
    return plans


def _plan(path: Path, shop_url: str, wait_scale: float) -> Plan:
    file = _File.model_validate(tomllib.loads(path.read_text()))
    if len({step.id for step in file.steps}) != len(file.steps):
        raise ValueError("two steps have the same id")
    journey = domain.Journey(
        slug=file.slug,
        name=file.name,
        active=file.active,
        trigger_kinds=frozenset(file.triggers),
        restart_after=timedelta(days=file.restart_after_days),
        steps={step.id: _step(step, wait_scale) for step in file.steps},
    )
    domain.check(journey)
    return Plan(journey, dict(_creatives(file, path.parent / file.slug, shop_url)))


def _step(step: _Wait | _Email | _Branch | _End, wait_scale: float) -> domain.Step:
    if isinstance(step, _Wait):
        duration = timedelta(hours=step.hours) * wait_scale
        return domain.Wait(step.id, step.title, duration, step.next, frozenset(step.until))
    if isinstance(step, _Email):
        return domain.Email(step.id, step.title, step.next)
    if isinstance(step, _Branch):
        cases = tuple((case.on, case.go) for case in step.cases)
        return domain.Branch(step.id, step.title, cases, step.otherwise)
    return domain.End(step.id, step.title, step.outcome)


def _creatives(file: _File, directory: Path, shop_url: str) -> Iterator[tuple[str, Creative]]:
    for step in file.steps:
        if isinstance(step, _Email):
            text = _source(directory / f"{step.template}.txt.liquid")
            html = _source(directory / f"{step.template}.html.liquid")
            links = {name: _address(shop_url, link) for name, link in step.links.items()}
            yield step.id, Creative(Template(step.subject), Template(text), Template(html, html=True), links)


def _source(path: Path) -> str:
    source = path.read_text()
    if "unsubscribe_url" not in source:
        raise ValueError(f"{path.name} does not show unsubscribe_url")
    return source


def _address(shop_url: str, link: str) -> str:
    address = urljoin(shop_url, link)
    if urlsplit(address).scheme not in ("http", "https"):
        raise ValueError(f"a link must lead to http or https, not to {link}")
    return address
