#!/usr/bin/env bash
# Every C and C++ source is as clang-format lays it out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
find daemon tpm pkcs11 sdk tests examples -name '*.c' -o -name '*.cpp' -o -name '*.h' -o -name '*.hpp' | sort | xargs clang-format --dry-run -Werror ||
  { echo "run: clang-format -i on the files named above" >&2; exit 1; }
