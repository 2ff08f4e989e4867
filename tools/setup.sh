#!/usr/bin/env bash
# Makes .venv with this project in it: `tools/setup.sh worker` what a service needs, `tools/setup.sh dev` the tests' tools as well.
# The Makefile calls it when pyproject.toml or constraints.txt changed. PYTHON names the interpreter; without it one is looked for.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

extra=${1:-worker}
venv=.venv
log=$venv/install.log

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

# Run, not looked up: a version manager's shim is on the PATH for versions that are not there.
is_supported() {
    "$1" -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

find_python() {
    local candidate candidates=(python3.12 python3.11 python3 python3.13)
    if [ -n "${PYTHON:-}" ]; then candidates=("$PYTHON"); fi
    for candidate in "${candidates[@]}"; do
        if is_supported "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python 3.11 to 3.13 among: ${candidates[*]}." \
        "Install one (on Debian and Ubuntu: apt-get install python3), or name it: make install PYTHON=/path/to/python3.12"
}

# Debian and Ubuntu ship Python without ensurepip; the package is named after the version.
require_venv_module() {
    local python=$1 package
    "$python" -c 'import ensurepip, venv' 2>/dev/null && return
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    command -v apt-get >/dev/null || fail "$python lacks the modules venv and ensurepip; install them, then run this again."
    [ "$(id -u)" = 0 ] || fail "$python lacks the modules venv and ensurepip. Run this, then try again:" \
        "  sudo apt-get update && sudo apt-get install -y $package"
    echo "setup: installing $package, which $python needs to make an environment"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || echo "setup: apt-get update failed; going on with the package lists at hand" >&2
    apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
        fail "apt-get could not install $package; see its messages above."
}

make_environment() {
    local python
    # One that was cut off half way has no working pip and is made anew.
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 && is_supported "$venv/bin/python" && return
    python=$(find_python)
    require_venv_module "$python"
    echo "setup: making $venv with $("$python" --version) ($python)"
    "$python" -m venv --clear "$venv"
}

# pip may warn about the machine's own configuration: kept out of sight unless something fails.
install() {
    echo "setup: installing the packages of [$extra] into $venv; the first time these are several GB and take some minutes"
    if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
        --editable ".[$extra]" >"$log" 2>&1; then
        cat "$log" >&2
        fail "pip failed; its messages are above and in $log. Run the same command again to go on."
    fi
}

case $extra in
    worker) stamps=(worker) ;;
    dev) stamps=(worker dev) ;; # dev includes worker
    *) fail "unknown set of packages '$extra'; give worker or dev." ;;
esac
make_environment
install
touch "${stamps[@]/#/$venv/.installed-}"
