"""The CloudFormation template: linted, deployed, and its policy compared with what the store calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import boto3
import pytest
from cfnlint import api  # type: ignore[import-untyped]
from moto.server import ThreadedMotoServer
from msgspec import yaml

from recollect import Recollect
from recollect.errors import Unsupported
from recollect.model import Vector
from recollect.stores.dynamodb import DynamoDBStore, schema
from recollect.stores.dynamodb.client import OF_STREAMS
from recollect.stores.dynamodb.options import Options
from recollect.stores.dynamodb.template import STREAM, actions_of, cloudformation, ddbsh
from tests.services.dynamodb import make_store, prefix_of, remove_tables

OPTIONS = [
    Options(region="us-east-1", prefix="app"),
    Options(region="us-east-1", prefix="app", billing="provisioned", ttl=False, kms_key="alias/mine"),
    Options(region="us-east-1", prefix="app", feed="streams"),
]
NAMES = ["on demand", "provisioned", "streams"]


@pytest.mark.parametrize("options", OPTIONS, ids=NAMES)
def test_the_template_passes_cfn_lint(options: Options) -> None:
    assert api.lint(cloudformation(options), None, ["us-east-1"]) == []


def test_the_template_keeps_what_it_makes() -> None:
    for options in OPTIONS:
        resources = yaml.decode(cloudformation(options))["Resources"]
        tables = [part for part in resources.values() if part["Type"] == "AWS::DynamoDB::Table"]
        assert len(tables) == len(schema.TABLES)
        for table in tables:
            made = table["Properties"]
            assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
            assert made["DeletionProtectionEnabled"] is True
            assert made["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
            assert made.get("SSESpecification", {}).get("KMSMasterKeyId") == options.kms_key
        expiring = [table for table in tables if "TimeToLiveSpecification" in table["Properties"]]
        assert len(expiring) == (2 if options.ttl else 0) + (options.feed == "streams")
        streams = [table for table in tables if "StreamSpecification" in table["Properties"]]
        assert [table["Properties"]["StreamSpecification"] for table in streams] == (
            [{"StreamViewType": "NEW_IMAGE"}] if options.feed == "streams" else []
        )


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A moto server on a free port."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.mark.parametrize("feed", ["items", "streams"])
@pytest.mark.filterwarnings("ignore:Tried to parse AWS..CloudWatch..Alarm:UserWarning")
def test_what_the_template_deploys_is_what_the_store_needs(moto: str, feed: Literal["items", "streams"]) -> None:
    options = Options(region="us-east-1", prefix=feed, endpoint_url=moto, create=False, feed=feed)
    formation = boto3.client("cloudformation", region_name="us-east-1", endpoint_url=moto)
    formation.create_stack(StackName=feed, TemplateBody=cloudformation(options), Capabilities=["CAPABILITY_IAM"])
    assert formation.describe_stacks(StackName=feed)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    with Recollect(DynamoDBStore(options)) as memory:
        memory.session("s", user="u").append({"role": "user", "content": "hi"})
        assert [row.content for row in memory.session("s").tail()] == ["hi"]
        assert [change.first_seq for change in memory.changes()] == [1]
    formation.close()


@pytest.mark.parametrize("feed", ["items", "streams"])
def test_the_policy_names_exactly_what_the_store_calls(tmp_path: Path, feed: str) -> None:
    called: dict[str, set[str]] = {}
    of_stream: set[str] = set()
    store = make_store(tmp_path, feed=feed)
    places = {getattr(schema.names(store.options), table.role): table.role for table in schema.TABLES}

    def note(action: str, table: str) -> None:
        called.setdefault(places[table], set()).add(action)

    with Recollect(make_store(tmp_path, feed=feed)) as memory:
        memory.open()
    with Recollect(store) as memory:
        for table in schema.TABLES:
            note("DescribeTable", schema.names(store.options).of(table))
        memory.open()
        request = store._client.request

        def watched(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
            if operation == "transact_write_items":
                for action in arguments["TransactItems"]:
                    ((kind, what),) = action.items()
                    note({"ConditionCheck": "ConditionCheckItem"}.get(kind, f"{kind}Item"), what["TableName"])
            else:
                name = "".join(word.capitalize() for word in operation.split("_"))
                if operation in OF_STREAMS:
                    of_stream.add(name)
                    return request(operation, arguments)
                for table in arguments.get("RequestItems", {arguments.get("TableName"): None}):
                    note(name, table)
            return request(operation, arguments)

        store._client.request = watched  # type: ignore[method-assign]
        _everything(memory)
    remove_tables(tmp_path)
    assert {role: sorted(actions) for role, actions in called.items()} == {
        table.role: sorted(actions_of(table, store.options)) for table in schema.TABLES
    }
    assert sorted(of_stream) == (sorted(STREAM) if feed == "streams" else [])
    assert prefix_of(tmp_path) in store.url


def _everything(memory: Recollect) -> None:
    session = memory.session("s")
    session.append([{"role": "user", "content": str(n), "id": str(n)} for n in range(120)])
    session.append({"role": "user", "content": "x" * 800_000, "id": "long"})
    session.append({"role": "user", "content": "again", "id": "5"})
    session.append({"role": "user", "content": "short-lived"}, ttl=0.000001)
    memory.session("s", user="u").append({"role": "user", "content": "mine"})
    session.read(after=40, limit=3)
    session.tail(3)
    session.info()
    session.save_summary("so far", covers_seq=3)
    session.summary()
    session.pop()
    user = memory.user("u")
    user.preferences.set("k", 1)
    user.preferences.get()
    list(user.sessions())
    list(user.messages())
    list(memory.sessions())
    memory.stats()
    list(memory.changes())
    memory.sweep()
    from recollect.store import Attach, Delete, Partition
    from recollect.store.driver import drive

    store: Any = memory._twin._store
    drive(store.query("preferences", (memory.scope,), limit=9))
    drive(store.query("messages_by_id", (memory.scope, "s", "5"), limit=1))
    (row,) = session.append({"role": "user", "content": "with a vector"})
    vector = Vector(session_id="s", seq=row.seq, id=row.id, model="m", data=b"\0\0")
    for _ in range(2):
        drive(store.commit(Partition(memory.scope, "session", "s"), [Attach(vectors=[vector])]))
    drive(store.query("vectors", (memory.scope, "s"), limit=9))
    user.forget()
    preferences: Any = __import__("recollect.testing.kit", fromlist=["x"])
    partition = Partition(memory.scope, "user", "u")
    drive(store.commit(partition, [preferences.put(preferences.a_document("u")), Delete()]))
    clock = store.driver.now
    store.driver.now = lambda: clock().replace(year=clock().year + 1)
    memory.sweep()
    store.driver.now = clock


def test_the_ddbsh_script_creates_and_never_drops() -> None:
    for options in OPTIONS[:2]:
        script = ddbsh(options)
        assert script.count("CREATE TABLE IF NOT EXISTS") == len(schema.TABLES)
        assert "DROP" not in script.upper()
        assert '"app-conversations"' in script


@pytest.mark.parametrize("asked", [{"feed": "streams"}, {"vector_dimensions": 8}], ids=str)
def test_the_ddbsh_script_leaves_nothing_out_in_silence(asked: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match="cloudformation"):
        ddbsh(Options(region="us-east-1", prefix="app", **asked))
