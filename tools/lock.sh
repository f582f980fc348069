#!/bin/sh
# Resolve pyproject.toml anew into the two lock files. They carry hashes and no address of any
# index, so that they install from whatever index a machine is set up for.
set -eu
cd "$(dirname "$0")/.."
compile() {
    .venv/bin/uv pip compile pyproject.toml --python-version 3.11 --generate-hashes \
        --no-header --no-emit-index-url --no-annotate --quiet "$@"
}
compile --extra fast -o requirements.lock
compile --extra fast --extra dev -c requirements.lock -o requirements-dev.lock
