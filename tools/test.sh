#!/bin/bash
# Every check: style, types, tests. Ends with pytest's own summary line; exit status 0 only if
# everything passed. Programs that some tests drive are installed where this user may do so;
# otherwise it is said which checks are left out.
#   tools/test.sh [pytest arguments]
set -u
cd "$(dirname "$0")/.."

# program, Debian package, what it is for
PROGRAMS='smbclient smbclient transfers_with_smbclient
smbd samba comparison_with_Samba
smbtorture samba-testsuite protocol_suites
postgres postgresql the_database_on_PostgreSQL
chromium chromium pages_in_a_browser'

has() {
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null
}

missing_packages() {
    echo "$PROGRAMS" | while read -r program package _; do has "$program" || echo "$package"; done
}

install_quietly() {
    # services that come with the packages must not be started for a test run
    local policy=/usr/sbin/policy-rc.d made=0 status
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && made=1
    fi
    apt-get -o DPkg::Lock::Timeout=300 update -q >/dev/null 2>&1
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends "$@" >/dev/null 2>&1
    status=$?
    [ $made = 1 ] && rm -f $policy
    return $status
}

packages=$(missing_packages)
if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing" $packages
    # shellcheck disable=SC2086 - a list of packages
    install_quietly $packages || for package in $packages; do install_quietly "$package"; done
fi
echo "$PROGRAMS" | while read -r program package purpose; do
    has "$program" || echo "NOT RUN: ${purpose//_/ } (no $program; sudo apt-get install $package)"
done

tools/venv.sh dev || exit 1

failed=
check() {
    local name=$1
    shift
    if "$@"; then echo "$name: ok"; else
        echo "$name: FAILED ($*)"
        failed="$failed $name"
    fi
}
check "ruff check" .venv/bin/ruff check --quiet .
check "ruff format" .venv/bin/ruff format --check --quiet .
check "mypy" .venv/bin/mypy --strict smbcore appliance
[ -z "$failed" ] || echo "FAILED before the tests:$failed"

.venv/bin/python -m pytest -q -rsx "$@"
status=$?
[ -z "$failed" ] || exit 1
exit $status
