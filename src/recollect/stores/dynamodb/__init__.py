"""DynamoDB: a session is one item collection, an append one transaction."""

from recollect.stores.dynamodb.store import DynamoDBStore

__all__ = ["DynamoDBStore"]
