"""What botocore raises, in Recollect's words. Codes are those of the DynamoDB API reference, "Common Errors"."""

from __future__ import annotations

from typing import Any

import msgspec

from recollect.errors import ConfigError, LimitExceeded, RecollectError, Unavailable

_BAD_CREDENTIALS = {
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "InvalidClientTokenId",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "ExpiredToken",
    "ExpiredTokenException",
    "NotAuthorized",
    "OptInRequired",
}
_DENIED = {"AccessDeniedException", "AccessDenied"}
_BUSY = {
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "TransactionInProgressException",
    "TransactionConflictException",
    "InternalServerError",
    "InternalFailure",
    "ServiceUnavailable",
    "LimitExceededException",
    "ResourceInUseException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ReplicatedWriteConflictException",
}


def translate(error: BaseException, operation: str, where: str) -> RecollectError | None:
    """The error to raise instead, or None if it is not one of botocore's.

    Parameters
    ----------
    operation: the API's name for what was called. where: the endpoint or region, for the message.
    """
    from botocore import exceptions as aws

    if isinstance(error, aws.ClientError):
        return _of_response(error.response, operation, where)
    if isinstance(error, aws.NoCredentialsError | aws.PartialCredentialsError | aws.CredentialRetrievalError):
        return ConfigError(
            f"no AWS credentials: {error}. They come from the usual chain: a role, AWS_PROFILE, AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY (an emulator takes any)"
        )
    if isinstance(error, aws.TokenRetrievalError | aws.UnauthorizedSSOTokenError | aws.ProfileNotFound):
        return ConfigError(f"the AWS credentials cannot be had: {error}")
    if isinstance(error, aws.NoRegionError):
        return ConfigError("no AWS region: dynamodb://REGION/PREFIX, or AWS_REGION")
    if isinstance(error, aws.HTTPClientError | aws.ConnectionError):
        return Unavailable(f"DynamoDB at {where} does not answer ({operation}): {error}")
    if isinstance(error, msgspec.DecodeError):
        return Unavailable(f"what {where} sends is no answer of DynamoDB ({operation}): {error}")
    if isinstance(error, aws.BotoCoreError):
        return ConfigError(f"{operation} cannot be called: {error}")
    return None


def _of_response(response: Any, operation: str, where: str) -> RecollectError:
    code: str = response.get("Error", {}).get("Code", "")
    message: str = response.get("Error", {}).get("Message", "")
    status: int = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _DENIED:
        return ConfigError(f"AWS does not allow dynamodb:{operation}: {message}")
    if code in _BAD_CREDENTIALS:
        return ConfigError(f"AWS refuses the credentials ({code}): {message}")
    if code == "ResourceNotFoundException":
        return ConfigError(
            f"a table is not there ({operation} at {where}): {message}. ?create=true in the URL creates what is missing"
        )
    if code in _BUSY or status >= 500:
        return Unavailable(f"DynamoDB at {where} is busy ({operation}: {code}): {message}")
    if code == "ItemCollectionSizeLimitExceededException" or (
        "size" in message.lower() and "exceed" in message.lower()
    ):
        return LimitExceeded(f"DynamoDB refuses the size ({operation}): {message}")
    return ConfigError(f"DynamoDB refuses {operation} ({code}): {message}")


def code_of(error: BaseException) -> str:
    """AWS's code of what a translated error was made from; empty if it was none of AWS's."""
    response = getattr(error.__cause__, "response", None) or {}
    code: str = response.get("Error", {}).get("Code", "")
    return code
