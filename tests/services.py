"""The services of Apprise in a usual run, one of each family; `just test-all` tests every one."""

import re

import pytest
from _pytest.mark import ParameterSet

from schema.services import Service, services_by_id

PLACEHOLDER = re.compile(r"\{\w+\}")


def family_of(service: Service) -> str:
    """The form of a service's longest address, whatever its fields are called: `{}://{}:{}@{}/{}`."""
    return max((PLACEHOLDER.sub("{}", one) for one in service.templates), key=len)


def first_of_each_family() -> set[str]:
    """The id of the first service in the catalogue of each family."""
    firsts: dict[str, str] = {}
    for id_, service in services_by_id().items():
        firsts.setdefault(family_of(service), id_)
    return set(firsts.values())


def every_service() -> list[ParameterSet]:
    """Parameters of a test, the ids of all services; those that are not the first of their family are marked."""
    usual = first_of_each_family()
    return [pytest.param(id_, marks=[] if id_ in usual else [pytest.mark.every_service]) for id_ in services_by_id()]
