"""The description of the API against the API: whatever fits it or does not, no answer is a surprise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from recollect.server import create_app
from recollect.settings import load_settings

schemathesis = pytest.importorskip("schemathesis")
from schemathesis import GenerationMode  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi import checks  # noqa: E402

EXAMPLES = int(os.environ.get("RECOLLECT_FUZZ_EXAMPLES", "15"))

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
    checks.allow_header_conformance,
]
"""Not among them: that all that fits the description is accepted, as a description cannot say which cursors there are."""


def _app(url: str) -> Any:
    return create_app(load_settings(os.devnull, url=url, log_level="error", requests_per_minute=0))


OPERATIONS = {
    found.ok().label: found.ok()
    for found in schemathesis.openapi.from_dict(_app("memory://").openapi()).get_all_operations()
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on a file."""
    from tests.servers import serve

    file: Path = tmp_path_factory.mktemp("fuzz") / "chat.db"
    with serve(_app(f"sqlite:///{file}?synchronous=normal")) as url:
        yield url


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fits", "does-not"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_request_surprises(operation: str, mode: Any, address: str) -> None:
    """Each operation, with requests that fit its description and with such that do not."""

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(case=OPERATIONS[operation].as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        case.call_and_validate(base_url=address, checks=CHECKS)

    try:
        check()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "nothing fits; that everything does is fine"
