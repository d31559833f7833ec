"""The index for `SearchVectors`: what it has to be, and finding one that is so."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

NAME = "VectorIndex"
ATTRIBUTE = "embedding"
SPACE = "space"
"""The partition key of the index: a tenant and a model, so that no other's vectors are ever compared."""

LOG = "log"
"""The session, by which a search may be narrowed."""

PROJECTED = ("message_id", "timestamp")


def definition(dimensions: int) -> dict[str, Any]:
    """The index, as CreateTable and CloudFormation have it."""
    return {
        "IndexName": NAME,
        "VectorAttribute": {"AttributeName": ATTRIBUTE},
        "SearchSchema": [
            {"AttributeName": SPACE, "SearchSchemaElementType": "HASH"},
            {"AttributeName": LOG, "SearchSchemaElementType": "INLINE_FILTER"},
        ],
        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(PROJECTED)},
        "Dimensions": dimensions,
        "DistanceFunction": "COSINE",
    }


class VectorIndex(Struct, frozen=True):
    """An index that is as it is needed; `ready` to be searched, or in the making."""

    name: str
    dimensions: int
    ready: bool


def find(description: dict[str, Any]) -> VectorIndex | None:
    """The index of a table's description that is as it is needed; None if there is none."""
    for index in description.get("VectorIndexes", ()):
        roles = {(part["SearchSchemaElementType"], part["AttributeName"]) for part in index.get("SearchSchema", ())}
        projection = index.get("Projection", {})
        if (
            index["VectorAttribute"]["AttributeName"] == ATTRIBUTE
            and index["DistanceFunction"] == "COSINE"
            and roles == {("HASH", SPACE), ("INLINE_FILTER", LOG)}
            and (projection.get("ProjectionType") == "ALL" or {*PROJECTED} <= {*projection.get("NonKeyAttributes", ())})
        ):
            return VectorIndex(index["IndexName"], index["Dimensions"], index["IndexStatus"] == "ACTIVE")
    return None
