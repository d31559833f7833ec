"""Answers that were cut off are no answers. botocore takes them for whole: it does not compare a body with its declared
length, and reads what is no JSON as an answer without any members - a session without messages, say."""

from __future__ import annotations

from typing import Any

import msgspec

_NOT_WHOLE = "the answer is not whole"


def refuse_what_is_cut_off(client: Any) -> None:
    """Let a boto3 client of DynamoDB raise botocore's `ConnectionClosedError` for an answer that is not whole."""
    # For each operation by name: botocore calls those first, and another handler of an operation may change the body.
    for operation in client.meta.service_model.operation_names:
        event = f"before-parse.dynamodb.{operation}"
        client.meta.events.register_first(event, _check, unique_id=f"recollect-whole-{operation}")


def _check(response_dict: dict[str, Any], **_: Any) -> None:
    body: bytes = response_dict.get("body") or b""
    if response_dict["status_code"] == 200 and body and not body.startswith(b"{"):
        raise msgspec.DecodeError("it is no JSON object")  # of a web server, say, that stands where DynamoDB should
    declared = response_dict["headers"].get("content-length") or ""
    if declared.isdigit():
        whole = len(body) == int(declared)
    else:  # cut off in the middle of the head, or sent in chunks
        whole = _is_json(body)
    if not whole:
        from botocore.exceptions import ConnectionClosedError

        raise ConnectionClosedError(endpoint_url="DynamoDB", error=_NOT_WHOLE)


def is_cut_off(error: BaseException) -> bool:
    """Whether an error says that an answer was not whole. botocore does not see it in time to try again by itself."""
    return getattr(error, "kwargs", {}).get("error") == _NOT_WHOLE


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError:
        return False
    return True
