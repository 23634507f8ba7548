# Sourced by the programs in bin/: the virtual environment in which the rest of the set-up (Python, in deploy/) runs.
#
#   bootstrap LOCK   makes .venv and installs LOCK (with hashes) when the file differs from what was installed last.

root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
# A relative BERTH_HOME means the caller's folder, not ours.
BERTH_HOME=$(realpath -ms "${BERTH_HOME:-$root/var}")
export BERTH_HOME
cd "$root"

refuse() {
  printf 'berth: %s\n' "$@" >&2
  exit 1
}

need_root() {
  [ "$EUID" -eq 0 ] || refuse "$1 needs root: it starts PostgreSQL, HAProxy and containers. Nothing was changed." "Run: sudo $1"
}

# The distribution's first: another may lie in a folder of root's, where the user of the web processes can't reach it.
usable_python() {
  local candidate
  for candidate in /usr/bin/python3 python3; do
    if "$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

make_venv() {
  local python
  [ -x .venv/bin/python ] && .venv/bin/python -c 'import pip' 2>/dev/null && return
  if ! python=$(usable_python); then
    [ "$EUID" -eq 0 ] || refuse "Python 3.11 or newer with venv is missing. Nothing was changed." "Run: sudo apt-get install python3-venv"
    echo "installing python3-venv from the distribution (it makes Berth's virtual environment)"
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends python3-venv; } >/dev/null ||
      refuse "python3-venv could not be installed; nothing of Berth was changed." "Run: apt-get update && apt-get install python3-venv"
    python=$(usable_python) || refuse "Berth needs Python 3.11 or newer; this machine has $(python3 --version 2>&1). Nothing was changed."
  fi
  echo "making .venv with $("$python" --version)"
  rm -rf .venv
  "$python" -m venv .venv
}

# The development lock holds all of the other one, in the same versions, so it serves for both.
installed() {
  local lock sum
  for lock in "$1" requirements-dev.lock; do
    sum=$(sha256sum <"$lock")
    [ "$(cat ".venv/$lock.sum" 2>/dev/null)" = "$sum" ] && return
  done
  return 1
}

bootstrap() {
  exec 9<pyproject.toml # one set-up at a time in this checkout
  flock 9
  make_venv
  if ! installed "$1"; then
    echo "installing $1 into .venv"
    .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r "$1" ||
      refuse "the packages of $1 could not be installed; .venv may hold some of them, nothing else was changed." \
        "Run: $root/.venv/bin/python -m pip install --require-hashes -r $1"
    sha256sum <"$1" >".venv/$1.sum"
  fi
  exec 9<&- # daemons started later must not inherit the lock
}
