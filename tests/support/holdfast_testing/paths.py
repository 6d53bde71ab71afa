"""Where the programs under test, the vectors and the checkout are."""

import contextlib
import os
import shutil
import tempfile

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BUILD = os.environ.get("HOLDFAST_BUILD_DIR") or os.path.join(SOURCE, "build")
VECTORS = os.environ.get("HOLDFAST_VECTORS") or os.path.join(SOURCE, "..", "shared", "vectors")


def program(name):
    path = os.path.join(BUILD, "bin", name)
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"{path} is missing: build it first, or set HOLDFAST_BUILD_DIR")
    return path


@contextlib.contextmanager
def temporary_folder(base=None):
    """Short, so that socket paths fit; open to other uids, as /run is, so that they reach the sockets."""
    folder = tempfile.mkdtemp(prefix="hf-", dir=base)
    os.chmod(folder, 0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
