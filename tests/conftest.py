"""What all tests share: the matrix of stores and promises, and how long Hypothesis looks."""

from __future__ import annotations

import os

from hypothesis import settings

pytest_plugins = ["recollect.testing.matrix", "tests.servers"]

settings.register_profile("default", max_examples=40, stateful_step_count=30)
settings.register_profile("ci", max_examples=60, stateful_step_count=30, derandomize=True, print_blob=True)
settings.register_profile("thorough", max_examples=2000, stateful_step_count=60)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))
