"""The tables as scripts for other tools: CloudFormation (YAML) and ddbsh. Neither ever drops anything."""

from __future__ import annotations

from typing import Any

from recollect.errors import Unsupported
from recollect.stores.dynamodb.options import Options
from recollect.stores.dynamodb.schema import TABLES, TTL_ATTRIBUTE, Table, expires, names, request, streamed, vectors
from recollect.stores.dynamodb.vector_index import NAME

ACTIONS: dict[str, tuple[str, ...]] = {
    "conversations": (
        "BatchGetItem",
        "BatchWriteItem",
        "ConditionCheckItem",
        "DeleteItem",
        "DescribeTable",
        "GetItem",
        "PutItem",
        "Query",
        "UpdateItem",
    ),
    "index": ("BatchGetItem", "ConditionCheckItem", "DeleteItem", "DescribeTable", "PutItem", "Query"),
    "preferences": (
        "BatchGetItem",
        "ConditionCheckItem",
        "DeleteItem",
        "DescribeTable",
        "GetItem",
        "PutItem",
        "Query",
    ),
    "changes": ("BatchWriteItem", "DeleteItem", "DescribeTable", "PutItem", "Query", "Scan", "UpdateItem"),
    "graph": ("DescribeTable",),
}
"""What the store calls on each table, as IAM names it: a transaction needs the actions of its parts
(Amazon DynamoDB Developer Guide, "Using IAM with DynamoDB transactions")."""

STREAMED = ("BatchWriteItem", "DescribeTable", "PutItem", "Scan")
"""The same on the table of changes where the feed is its stream."""

STREAM = ("DescribeStream", "GetRecords", "GetShardIterator")
"""What is called on that stream."""


def actions_of(table: Table, options: Options) -> tuple[str, ...]:
    """What the store calls on a table."""
    return STREAMED if streamed(table, options) else ACTIONS[table.role]


def cloudformation(options: Options) -> str:
    """A CloudFormation template of the tables, the policy for those who use them, and alarms."""
    resources: dict[str, Any] = {}
    for table in TABLES:
        resources[_id(table)] = _table(table, options)
        for metric in ("ReadThrottleEvents", "WriteThrottleEvents"):
            resources[f"{_id(table)}{metric}"] = _alarm(table, metric)
    resources["AccessPolicy"] = {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {
            "Description": "What Recollect calls, and nothing else",
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [statement for table in TABLES for statement in _statements(table, options)],
            },
        },
    }
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The tables of Recollect",
        "Resources": resources,
        "Outputs": {
            **{f"{_id(table)}Name": {"Value": {"Ref": _id(table)}} for table in TABLES},
            "PolicyArn": {"Value": {"Ref": "AccessPolicy"}},
        },
    }
    return "\n".join(_yaml(template, 0)) + "\n"


def _id(table: Table) -> str:
    return table.role.capitalize()


def _table(table: Table, options: Options) -> dict[str, Any]:
    properties = request(table, options)
    properties.pop("DeletionProtectionEnabled", None)
    sse = properties.pop("SSESpecification", None)
    properties["DeletionProtectionEnabled"] = True
    properties["PointInTimeRecoverySpecification"] = {"PointInTimeRecoveryEnabled": True}
    if sse is not None:
        properties["SSESpecification"] = {
            "SSEEnabled": True,
            "SSEType": "KMS",
            "KMSMasterKeyId": sse["KMSMasterKeyId"],
        }
    properties.get("StreamSpecification", {}).pop("StreamEnabled", None)
    if expires(table, options):
        properties["TimeToLiveSpecification"] = {"AttributeName": TTL_ATTRIBUTE, "Enabled": True}
    # cfn-lint does not know yet that the attributes of a search schema have to be declared as well (SearchSchemaElement).
    lint = {"Metadata": {"cfn-lint": {"config": {"ignore_checks": ["E3039"]}}}}
    return {
        "Type": "AWS::DynamoDB::Table",
        **(lint if "VectorIndexes" in properties else {}),
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": properties,
    }


def _alarm(table: Table, metric: str) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": f"{table.role}: requests are throttled",
            "Namespace": "AWS/DynamoDB",
            "MetricName": metric,
            "Dimensions": [{"Name": "TableName", "Value": {"Ref": _id(table)}}],
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 5,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
        },
    }


def _statements(table: Table, options: Options) -> list[dict[str, Any]]:
    arn = {"Fn::GetAtt": [_id(table), "Arn"]}
    out: list[dict[str, Any]] = [
        {
            "Effect": "Allow",
            "Action": [f"dynamodb:{action}" for action in actions_of(table, options)],
            "Resource": arn,
        }
    ]
    if streamed(table, options):
        stream = {"Fn::GetAtt": [_id(table), "StreamArn"]}
        out.append({"Effect": "Allow", "Action": [f"dynamodb:{action}" for action in STREAM], "Resource": stream})
    if vectors(table) and options.vector_dimensions:
        resource = {"Fn::Sub": f"${{{_id(table)}.Arn}}/index/{NAME}"}
        out.append({"Effect": "Allow", "Action": ["dynamodb:SearchVectors"], "Resource": resource})
    read = {"conversations": ("OwnerIndex", "ScopeIndex", "SweepIndex"), "preferences": ("ScopeIndex",)}
    for index in read.get(table.role, ()):
        resource = {"Fn::Sub": f"${{{_id(table)}.Arn}}/index/{index}"}
        out.append({"Effect": "Allow", "Action": ["dynamodb:Query"], "Resource": resource})
    return out


def _yaml(value: Any, depth: int) -> list[str]:
    """Block YAML of mappings, lists, texts, numbers and flags; texts are quoted, so that none is read as something else."""
    pad = "  " * depth
    lines: list[str] = []
    pairs = value.items() if isinstance(value, dict) else ((None, inner) for inner in value)
    for name, inner in pairs:
        label = f"{pad}-" if name is None else f"{pad}{name}:"
        if isinstance(inner, dict | list) and inner:
            nested = _yaml(inner, depth + 1)
            if name is None and isinstance(inner, dict):
                lines.append(f"{label} {nested[0].lstrip()}")
                lines += nested[1:]
            else:
                lines += [label, *nested]
        else:
            lines.append(f"{label} {_scalar(inner)}")
    return lines


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def ddbsh(options: Options) -> str:
    """A script for ddbsh (awslabs/dynamodb-shell) that creates what is missing.

    Raises `Unsupported` where a stream or a vector index is asked for, which it is not known to create.
    """
    if options.feed == "streams" or options.vector_dimensions:
        raise Unsupported("the ddbsh script makes no stream and no vector index: --form cloudformation does")
    mode = (
        f"BILLING MODE PROVISIONED ({options.read_units} RCU, {options.write_units} WCU)"
        if options.billing == "provisioned"
        else "BILLING MODE ON DEMAND"
    )
    out = []
    for table in TABLES:
        attributes = {table.hash, *([table.range] if table.range else [])}
        for index in table.indexes:
            attributes |= {index.hash, index.range}
        lines = [
            f'CREATE TABLE IF NOT EXISTS "{names(options).of(table)}" (',
            "    " + ", ".join(f"{name} STRING" for name in sorted(attributes)),
            f") PRIMARY KEY ({_ddbsh_key(table.hash, table.range)})",
            mode,
        ]
        if table.indexes:
            made = [
                f"    {index.name} ON ({_ddbsh_key(index.hash, index.range)}) PROJECTING "
                f"{'ALL' if index.projection == 'ALL' else 'KEYS ONLY'} {mode}"
                for index in table.indexes
            ]
            lines.append("GSI (\n" + ",\n".join(made) + "\n)")
        out.append("\n".join(lines) + ";")
    return "\n\n".join(out) + "\n"


def _ddbsh_key(hash: str, range: str | None) -> str:
    return f"{hash} HASH" + (f", {range} RANGE" if range else "")
