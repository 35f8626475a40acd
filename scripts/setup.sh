#!/bin/sh
# setup.sh run|test|oldest|fake_snowflake|elasticsearch_9: bring .venv to what requirements/run.txt or test.txt says,
# with venv and pip alone; oldest.txt, fake_snowflake.txt and elasticsearch_9.txt have environments of their own, .venv-….
# Does nothing when the lock and pyproject.toml are those of the last time. PYTHON=... chooses an interpreter.
set -eu
cd "$(dirname "$0")/.."
lock=requirements/$1.txt
venv=.venv
case $1 in oldest | fake_snowflake | elasticsearch_9) venv=.venv-$1 ;; esac

stop() {
    echo "$*" >&2
    exit 1
}

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; }
has_venv() { "$1" -c 'import venv, ensurepip' 2>/dev/null; }

find_python() {
    found=
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        fits "$candidate" || continue
        found=$candidate
        if has_venv "$candidate"; then return; fi
    done
    [ -z "$found" ] || stop "$found has no venv module: install it (Debian, Ubuntu: apt-get install python3-venv) or name another one: make PYTHON=/path/to/python3."
    stop "Python 3.11 to 3.14 is needed and ${PYTHON:-python3} is not one: install it, or name it: make PYTHON=/path/to/python3."
}

state() { cat "$lock" pyproject.toml | cksum; }

case $(uname -s) in
    MINGW* | MSYS* | CYGWIN*) stop "Airflow does not run on Windows: use WSL (https://learn.microsoft.com/windows/wsl) and run make there." ;;
esac

if fits $venv/bin/python && [ "$(cat $venv/folder 2>/dev/null)" = "$PWD" ]; then
    [ "$(state)" = "$(cat "$venv/installed-$1" 2>/dev/null)" ] && exit 0
else
    find_python
    echo "Setting up $venv with $("$found" --version) (a minute or three, once) ..."
    "$found" -m venv --clear $venv
    echo "$PWD" >$venv/folder # its scripts carry this path: a moved clone gets a new one
fi

echo "Installing $lock ..."
pip="env PIP_DISABLE_PIP_VERSION_CHECK=1 $venv/bin/python -m pip --quiet install"
$pip --require-hashes -r "$lock" || stop "pip could not install $lock: see above; is the package index reachable (pip config list)?"
case $1 in run | test | oldest) $pip --no-deps --no-build-isolation --editable . ;; esac
state >"$venv/installed-$1"
