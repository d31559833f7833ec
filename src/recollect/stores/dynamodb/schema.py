"""The tables, declared as data; creating what is missing, and saying what differs."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from recollect.errors import ConfigError, Unavailable
from recollect.store import Driver
from recollect.stores.dynamodb import vector_index
from recollect.stores.dynamodb.client import Client
from recollect.stores.dynamodb.failures import code_of
from recollect.stores.dynamodb.options import Options


class Index(Struct, frozen=True):
    """A global secondary index: its key attributes, and what it holds of an item."""

    name: str
    hash: str
    range: str
    projection: str = "KEYS_ONLY"


class Table(Struct, frozen=True):
    """A table: its key attributes, all strings, and its indexes."""

    role: str
    hash: str
    range: str | None = None
    indexes: tuple[Index, ...] = ()
    expires: bool = False


TABLES = (
    Table(
        "conversations",
        "session_id",
        "timestamp",
        (
            Index("UserIdIndex", "user_id", "timestamp", "ALL"),
            Index("OwnerIndex", "owner_key", "active"),
            Index("ScopeIndex", "scope", "active"),
            Index("SweepIndex", "sweep", "due"),
        ),
        expires=True,
    ),
    Table("index", "session_id", "entry", expires=True),
    Table("preferences", "user_id", None, (Index("ScopeIndex", "scope", "id"),)),
    Table("changes", "feed", "position"),
    Table("graph", "node_id", "edge_id", (Index("RelationshipTypeIndex", "relationship_type", "created_at", "ALL"),)),
)

TTL_ATTRIBUTE = "ttl"


class Names(Struct, frozen=True):
    """What the tables are called."""

    conversations: str
    index: str
    preferences: str
    changes: str
    graph: str

    def of(self, table: Table) -> str:
        """The name of a declared table."""
        name: str = getattr(self, table.role)
        return name


STREAM_VIEW = "NEW_IMAGE"


def streamed(table: Table, options: Options) -> bool:
    """Whether a table has a stream, which is read."""
    return table.role == "changes" and options.feed == "streams"


def vectors(table: Table) -> bool:
    """Whether vectors are in a table."""
    return table.role == "index"


def expires(table: Table, options: Options) -> bool:
    """Whether DynamoDB removes items of a table by itself."""
    return options.ttl and (table.expires or streamed(table, options))


def names(options: Options) -> Names:
    """The names that the options give."""
    prefix = options.prefix
    return Names(
        conversations=options.conversations or f"{prefix}-conversations",
        index=f"{options.conversations or prefix}-index",
        preferences=options.preferences or f"{prefix}-preferences",
        changes=f"{options.conversations or prefix}-changes",
        graph=options.graph or f"{prefix}-graph",
    )


def request(table: Table, options: Options) -> dict[str, Any]:
    """The CreateTable request of a table."""
    attributes = {table.hash, *([table.range] if table.range else [])}
    for index in table.indexes:
        attributes |= {index.hash, index.range}
    if indexed := (vectors(table) and options.vector_dimensions):
        attributes |= {vector_index.SPACE, vector_index.LOG}
    throughput: dict[str, Any] = (
        {"ProvisionedThroughput": {"ReadCapacityUnits": options.read_units, "WriteCapacityUnits": options.write_units}}
        if options.billing == "provisioned"
        else {}
    )
    made: dict[str, Any] = {
        "TableName": names(options).of(table),
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in sorted(attributes)],
        "KeySchema": _key(table.hash, table.range),
        "BillingMode": "PROVISIONED" if throughput else "PAY_PER_REQUEST",
        **throughput,
    }
    if table.indexes:
        made["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index.name,
                "KeySchema": _key(index.hash, index.range),
                "Projection": {"ProjectionType": index.projection},
                **throughput,
            }
            for index in table.indexes
        ]
    if indexed:
        made["VectorIndexes"] = [vector_index.definition(indexed)]
    if streamed(table, options):
        made["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": STREAM_VIEW}
    if options.kms_key is not None:
        made["SSESpecification"] = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": options.kms_key}
    if options.deletion_protection:
        made["DeletionProtectionEnabled"] = True
    return made


def _key(hash: str, range: str | None) -> list[dict[str, str]]:
    out = [{"AttributeName": hash, "KeyType": "HASH"}]
    return out if range is None else [*out, {"AttributeName": range, "KeyType": "RANGE"}]


def differences(table: Table, found: dict[str, Any], options: Options) -> list[str]:
    """What a table's description lacks of what is declared."""
    name = found.get("TableName", table.role)
    if _pairs(found.get("KeySchema", [])) != _pairs(_key(table.hash, table.range)):
        # Somebody else's, then: what else it lacks is of no interest.
        return [f"{name}: its key is {_shown(found.get('KeySchema', []))}, not {_shown(_key(table.hash, table.range))}"]
    out = []
    view = (found.get("StreamSpecification") or {}).get("StreamViewType")
    if streamed(table, options) and view not in (STREAM_VIEW, "NEW_AND_OLD_IMAGES"):
        out.append(f"{name}: its stream {f'is of {view}' if view else 'is off'}, not {STREAM_VIEW} (?feed=streams)")
    if vectors(table) and options.vector_dimensions:
        lengths = [str(index["Dimensions"]) for index in found.get("VectorIndexes", ())]
        if str(options.vector_dimensions) not in lengths:
            shown = f"its vector index has {', '.join(lengths)}" if lengths else "it has no vector index"
            out.append(f"{name}: {shown}, {options.vector_dimensions} dimensions are asked for (?vector_dimensions)")
    types = {item["AttributeName"]: item["AttributeType"] for item in found.get("AttributeDefinitions", [])}
    for attribute in (table.hash, table.range):
        if attribute is not None and types.get(attribute, "S") != "S":
            out.append(f"{name}: {attribute} is of type {types[attribute]}, not S (text)")
    indexes = {index["IndexName"]: index for index in found.get("GlobalSecondaryIndexes", [])}
    for index in table.indexes:
        there = indexes.get(index.name)
        if there is None:
            out.append(f"{name}: the index {index.name} ({index.hash}, {index.range}) is missing")
        elif _pairs(there["KeySchema"]) != _pairs(_key(index.hash, index.range)):
            out.append(f"{name}: the index {index.name} has the key {_shown(there['KeySchema'])}")
    return out


def _pairs(schema: list[dict[str, str]]) -> list[tuple[str, str]]:
    return sorted((part["KeyType"], part["AttributeName"]) for part in schema)


def _shown(schema: list[dict[str, str]]) -> str:
    return " + ".join(f"{part['AttributeName']} ({part['KeyType']})" for part in schema)


FIRST_WAIT = 0.05


class Prepared(Struct, frozen=True):
    """The names of the tables that were made, and the descriptions of all by their roles."""

    made: list[str]
    tables: dict[str, dict[str, Any]]


async def prepare(client: Client, driver: Driver, options: Options, *, create: bool, wait: float = 60.0) -> Prepared:
    """See that the tables are there and usable, and create the missing ones if asked to.

    Parameters
    ----------
    wait: seconds for a table that is still being created.

    Raises `ConfigError` for tables that are missing or differ, `Unavailable` for one that does not become active.
    """
    found = {table.role: await describe(client, names(options).of(table)) for table in TABLES}
    missing = [table for table in TABLES if found[table.role] is None]
    if missing and not create:
        lacking = ", ".join(names(options).of(table) for table in missing)
        raise ConfigError(
            f"no table {lacking} at {client.where}: recollect store create, or ?create=true in the URL, creates what is missing"
        )
    _refuse([wrong for table in TABLES if (there := found[table.role]) for wrong in differences(table, there, options)])
    for table in missing:
        await _create(client, table, options)
    tables: dict[str, dict[str, Any]] = {}
    for table in TABLES:
        there = tables[table.role] = await _usable(
            client, driver, names(options).of(table), found[table.role], wait, whole=table in missing
        )
        _refuse(differences(table, there, options))
    for table in missing:
        await _settings(client, table, names(options).of(table), options)
    return Prepared([names(options).of(table) for table in missing], tables)


def _refuse(wrong: list[str]) -> None:
    if wrong:
        raise ConfigError(
            f"tables are not as they are needed: {'; '.join(wrong)} (choose another prefix, or mend them:"
            " `recollect store template` shows how they should be)"
        )


async def check(client: Client, options: Options) -> list[str]:
    """What is missing or not as it is declared, a sentence each."""
    wrong: list[str] = []
    for table in TABLES:
        name = names(options).of(table)
        found = await describe(client, name)
        if found is None:
            wrong.append(f"there is no table {name} at {client.where}")
        elif found["TableStatus"] not in ("ACTIVE", "UPDATING"):
            wrong.append(f"{name} is {found['TableStatus']}")
        else:
            wrong += differences(table, found, options)
    return wrong


async def _usable(
    client: Client, driver: Driver, name: str, found: dict[str, Any] | None, wait: float, *, whole: bool
) -> dict[str, Any]:
    """The description of a table, once it can be used.

    Parameters
    ----------
    whole: its vector index too.
    """
    waited, step = 0.0, FIRST_WAIT
    while True:
        if found is None:
            found = await describe(client, name)
        status = "missing" if found is None else found["TableStatus"]
        if found is not None and status in ("ACTIVE", "UPDATING"):
            if not whole or all(index["IndexStatus"] == "ACTIVE" for index in found.get("VectorIndexes", ())):
                return found
            status = "CREATING"
        if status not in ("CREATING", "missing"):
            raise Unavailable(f"the table {name} is {status}", retryable=False)
        if waited >= wait:
            raise Unavailable(f"the table {name} is not active after {wait:g} seconds: {status}")
        await driver.sleep(step)
        waited, step, found = waited + step, min(step * 2, 2.0), None


async def describe(client: Client, name: str) -> dict[str, Any] | None:
    """A table's description, None if there is none."""
    try:
        found: dict[str, Any] | None = (await client.call("describe_table", TableName=name)).get("Table")
    except ConfigError as error:
        if code_of(error) == "ResourceNotFoundException":
            return None
        raise
    if found is None:
        raise ConfigError(f"what {client.where} sends is no answer of DynamoDB (DescribeTable)")
    return found


async def _create(client: Client, table: Table, options: Options) -> None:
    """Create a table; another client may be doing the same."""
    try:
        await client.call("create_table", **request(table, options))
    except Unavailable as error:
        if code_of(error) != "ResourceInUseException":
            raise


async def _settings(client: Client, table: Table, name: str, options: Options) -> None:
    if expires(table, options):
        await client.call(
            "update_time_to_live",
            TableName=name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL_ATTRIBUTE},
        )
    if options.point_in_time_recovery:
        await client.call(
            "update_continuous_backups",
            TableName=name,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )
