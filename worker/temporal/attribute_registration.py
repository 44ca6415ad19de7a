"""The registration of the search attributes in a namespace: which are missing, of another type, or find no room."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, cast

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from activities.model.errors import ConfigurationError
from workflows.search_attributes import SEARCH_ATTRIBUTES

AttributeKey = SearchAttributeKey[Any]

RPC_TIMEOUT = timedelta(seconds=10)
"""Timeout of one call with its retries. Registering a search attribute takes seconds."""
LIMIT_PATTERN = re.compile(r"cannot have more than (\d+) search attribute of type (\w+)")
"""What Temporal answers when a namespace has no room. The limit is its own: 10 of type Keyword on SQL databases."""


async def find_missing_attributes(client: Client) -> list[AttributeKey]:
    """Return the search attributes that are not registered in the client's namespace.

    Raises:
        ConfigurationError: one is registered with another type. Temporal would refuse every cycle.
    """
    registered = await list_registered_attributes(client)
    if mistyped := describe_other_types(registered):
        raise ConfigurationError(f"namespace {client.namespace}: {mistyped}")
    return [key for key in SEARCH_ATTRIBUTES if key.name not in registered]


async def list_registered_attributes(client: Client) -> Mapping[str, str]:
    """Return the custom search attributes of the namespace: name and type, such as `Keyword`."""
    request = ListSearchAttributesRequest(namespace=client.namespace)
    response = await client.operator_service.list_search_attributes(request, timeout=RPC_TIMEOUT)
    return {name: format_type(number) for name, number in response.custom_attributes.items()}


async def register_missing_attributes(client: Client) -> None:
    """Register the missing search attributes.

    Raises:
        ConfigurationError: the namespace has no room for them.
    """
    missing = await find_missing_attributes(client)
    if not missing:
        return
    types = {key.name: cast(Any, key.indexed_value_type) for key in missing}
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=types)
    try:
        await client.operator_service.add_search_attributes(request, timeout=RPC_TIMEOUT)
    except RPCError as error:
        full = LIMIT_PATTERN.search(error.message) if error.status is RPCStatusCode.INVALID_ARGUMENT else None
        if full is None:
            raise
        registered = await list_registered_attributes(client)
        room = describe_room(registered, missing, limit=int(full[1]), type_name=full[2])
        raise ConfigurationError(f"namespace {client.namespace}: {room}") from error


def describe_other_types(registered: Mapping[str, str]) -> str:
    """Return the search attributes that are registered with another type, and the fix; "" if there are none."""
    needed = {key.name: format_type(key.indexed_value_type) for key in SEARCH_ATTRIBUTES}
    wrong = {name: kind for name, kind in registered.items() if needed.get(name, kind) != kind}
    if not wrong:
        return ""
    found = ", ".join(f"{name} has type {kind}, not {needed[name]}" for name, kind in sorted(wrong.items()))
    names = " ".join(f"--name {name}" for name in sorted(wrong))
    return f"{found}; run `temporal operator search-attribute remove {names}`, then `mapek bootstrap`"


def describe_room(registered: Mapping[str, str], missing: Iterable[AttributeKey], *, limit: int, type_name: str) -> str:
    """Return how many attributes of a type are needed and free in a full namespace, and the fix."""
    needed = Counter(format_type(key.indexed_value_type) for key in missing)[type_name]
    present = Counter(registered.values())[type_name]
    return (
        f"needs {needed} more search attributes of type {type_name}, {limit - present} of {limit} are free; remove "
        f"unused ones (`temporal operator search-attribute list`), or set temporal.namespace to a namespace of its own"
    )


def format_type(number: int) -> str:
    """Return the server's name of a type, such as `Keyword`."""
    name = IndexedValueType.Name(cast(Any, number))
    return "".join(part.capitalize() for part in name.removeprefix("INDEXED_VALUE_TYPE_").split("_"))
