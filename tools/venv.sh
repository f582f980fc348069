#!/bin/sh
# Make the virtual environment, or bring it up to date; quick when nothing has changed.
#   tools/venv.sh runtime|dev
# Everything comes from the hash-pinned lock file; the project itself is installed editable.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-dev}
case $kind in
runtime) lock=requirements.lock ;;
dev) lock=requirements-dev.lock ;;
*) sed -n '2,4p' "$0"; exit 2 ;;
esac
stamp=.venv/.installed-$kind
want=$(cat "$lock" pyproject.toml | sha256sum | cut -d' ' -f1)
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
    exit 0
fi

python=${PYTHON:-}
if [ -z "$python" ]; then
    for candidate in /usr/bin/python3.11 python3.11 python3; do
        if command -v "$candidate" >/dev/null 2>&1; then python=$candidate; break; fi
    done
fi
packages=
[ -n "$python" ] || packages="python3 python3-venv"
[ -z "$python" ] || "$python" -c 'import ensurepip, venv' 2>/dev/null || packages=python3-venv
if [ -n "$packages" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing $packages"
        apt-get -o DPkg::Lock::Timeout=300 update -q >/dev/null || true
        # shellcheck disable=SC2086 - two words are two packages
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends $packages >/dev/null
        python=${python:-/usr/bin/python3}
    else
        echo "Needed: $packages. Install with: sudo apt-get install $packages" >&2
        exit 1
    fi
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed; $python is $("$python" -V)" >&2
    exit 1
}

[ -x .venv/bin/python ] && .venv/bin/python -c 'import pip' 2>/dev/null || {
    echo "Making .venv with $python"
    "$python" -m venv --clear .venv
}
echo "Installing from $lock"
pip=".venv/bin/python -m pip --disable-pip-version-check --quiet --quiet"
$pip install --require-hashes -r "$lock"
$pip install --no-deps --editable .
echo "$want" >"$stamp"
[ "$kind" = runtime ] || echo "$(cat requirements.lock pyproject.toml | sha256sum | cut -d' ' -f1)" >.venv/.installed-runtime
