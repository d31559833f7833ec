"""``/api/v1/documents``: what the chat endpoint answers from, beside what was said."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.datastructures import UploadFile

from recollect import InvalidInput, NotFound
from recollect.files import read_file
from recollect.server.bodies import read_model, reply
from recollect.server.direct import Route
from recollect.server.params import (
    WHERE,
    AsOf,
    Cursor,
    Limit,
    Offset,
    Since,
    Until,
    Where,
    fails,
    gives,
    instant,
    json_object,
    takes,
)
from recollect.server.schemas import DocumentIn, DocumentOut, HitOut, MemoryOut, Page
from recollect.server.state import DOCUMENTS, memory_of

router = APIRouter(tags=["documents"], route_class=Route)

_DOCUMENTS = "/api/v1/documents"
_ONE = _DOCUMENTS + "/{document_id:anyid}"

DocumentId = Annotated[str, Path(min_length=1, description="Percent-encoded.", examples=["guide.md"])]

_UPLOAD: dict[str, Any] = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {
            "file": {"type": "string", "format": "binary", "description": "PDF, HTML, Markdown or plain text."},
            "id": {"type": "string", "description": "The file's name when not given."},
            "title": {"type": "string"},
            "metadata": {"type": "object", "description": "Of every passage; the field is the text of a JSON object."},
            "chunk_tokens": {"type": "integer", "description": "Of a passage at most; 200 when not given."},
            "overlap_tokens": {"type": "integer", "description": "Repeated at the beginning of the next passage."},
            "ttl": {"type": "number", "description": "Seconds until it is gone."},
        },
    }
}
_FIELDS = tuple(_UPLOAD["schema"]["properties"])


def _body() -> dict[str, Any]:
    described = takes(DocumentIn)
    described["requestBody"]["content"]["multipart/form-data"] = _UPLOAD
    return described


@router.post(
    _DOCUMENTS,
    summary="Keep a document",
    status_code=201,
    response_model=None,
    responses={**gives(DocumentOut, "As stored.", 201), **fails(400, 413)},
    openapi_extra=_body(),
)
async def keep(request: Request) -> Response:
    """As JSON or as an uploaded file. One with the same id is replaced as a whole; the same again changes nothing."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        given = await _uploaded(request)
    else:
        given = await read_model(request, DocumentIn)
    id = given.id or hashlib.blake2b(given.text.encode(), digest_size=12).hexdigest()
    options: dict[str, Any] = {"title": given.title, "metadata": given.metadata, "ttl": given.ttl}
    options["overlap_tokens"] = given.overlap_tokens
    if given.chunk_tokens is not None:
        options["chunk_tokens"] = given.chunk_tokens
    stored = await memory_of(request).namespace(*DOCUMENTS).remember_document(id, given.text, **options)
    return reply(stored.to_dict(), 201)


async def _uploaded(request: Request) -> DocumentIn:
    async with request.form(max_files=1, max_fields=10) as form:
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            raise InvalidInput("a form needs a file in its field `file`", field="file")
        name = upload.filename or "document"
        told: dict[str, Any] = {}
        for field, value in form.multi_items():
            if field not in _FIELDS or field in told:
                why = "given more than once" if field in _FIELDS else f"no such field: there are {', '.join(_FIELDS)}"
                raise InvalidInput(f"{field[:100]}: {why}", field=field[:100])
            told[field] = value
        del told["file"]
        told = {field: value for field, value in told.items() if value != ""}
        if "metadata" in told:
            told["metadata"] = json_object(told["metadata"], "metadata")
        found = await asyncio.to_thread(read_file, await upload.read(), name, upload.content_type)
    return DocumentIn.model_validate({"id": name, "title": found.title, **told, "text": found.text}, strict=False)


@router.get(
    _DOCUMENTS,
    summary="List documents",
    response_model=None,
    responses={**gives(Page[DocumentOut], "A page, the latest given first."), **fails(400)},
)
async def documents(request: Request, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Without their text."""
    page = await memory_of(request).namespace(*DOCUMENTS).documents(limit, cursor=cursor)
    return reply({"items": [document.to_dict() for document in page], "cursor": page.cursor})


@router.get(
    _DOCUMENTS + "/search",
    summary="Search documents",
    response_model=None,
    responses={**gives(Page[HitOut], "Passages, best first; the cursor is always null."), **fails(400)},
    openapi_extra={"parameters": [WHERE]},
)
async def search(
    request: Request,
    q: Annotated[str, Query(description="Plain words; nothing in it is syntax.", examples=["opening hours"])],
    limit: Limit = 10,
    offset: Offset = 0,
    since: Since = None,
    until: Until = None,
    where: Where = None,
    as_of: AsOf = None,
) -> Response:
    """The passages that answer best."""
    hits = (
        await memory_of(request)
        .namespace(*DOCUMENTS)
        .recall(
            q,
            limit=limit,
            offset=offset,
            since=instant(since, "since"),
            until=instant(until, "until"),
            where=json_object(where, "where"),
            as_of=instant(as_of, "as_of"),
        )
    )
    return reply({"items": [hit.to_dict() for hit in hits], "cursor": None})


@router.get(
    _ONE,
    summary="One document",
    response_model=None,
    responses={**gives(DocumentOut, "Without its text."), **fails(400, 404)},
)
async def one(request: Request, document_id: DocumentId) -> Response:
    """By its id."""
    found = await memory_of(request).namespace(*DOCUMENTS).document(document_id)
    if found is None:
        raise NotFound(f"no document {document_id!r}")
    return reply(found.to_dict())


@router.get(
    _ONE + "/passages",
    summary="A document's passages",
    response_model=None,
    responses={**gives(Page[MemoryOut], "In their order; the cursor is always null."), **fails(400)},
)
async def passages(
    request: Request,
    document_id: DocumentId,
    limit: Limit = 100,
    after: Annotated[int, Query(ge=-1, description="Only behind this position.")] = -1,
) -> Response:
    """Each with its place in the text."""
    found = await memory_of(request).namespace(*DOCUMENTS).passages(document_id, limit=limit, after=after)
    return reply({"items": [passage.to_dict() for passage in found], "cursor": None})


@router.delete(
    _ONE,
    summary="Forget a document",
    status_code=204,
    response_model=None,
    responses={204: {"description": "It is not there now."}, **fails(400)},
)
async def forget(request: Request, document_id: DocumentId) -> Response:
    """With all its passages; also when it was not there."""
    await memory_of(request).namespace(*DOCUMENTS).forget_document(document_id)
    return Response(status_code=204)
