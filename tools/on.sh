#!/usr/bin/env bash
# tools/on.sh SUITE COMMAND...: runs a command of ./dev in a bare Debian of that suite (bookworm, trixie), in a copy of this
# checkout. The system is made once, by debootstrap under build/on/, with nothing but git; packages that ./dev installs there
# and what it builds stay for the next time. Everything runs in namespaces of its own, so that nothing is left behind.
set -euo pipefail
readonly root=$PWD suite=$1 system=$PWD/build/on/$1
shift

# What reaches the registries from here reaches them from there: proxies, certificates, pip's settings.
mapfile -t environment < <(env | grep -iE "^([a-z]+_proxy|SSL_CERT_FILE|PIP_[A-Z_]+|BUILD|WEFT_JOBS)=" || true)
environment+=(HOME=/root TERM="${TERM:-dumb}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)

if [[ ! -e $system/ready ]]; then
  rm -rf "$system"
  mkdir -p "$system"
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' | awk '$2 == "Debian" && $3 == "Debian" {print $1; exit}')
  debootstrap --variant=minbase --include=git,ca-certificates "$suite" "$system" "$mirror" >"$system.log" 2>&1 ||
    { tail -n 20 "$system.log" >&2; exit 1; }
  if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
    cp /usr/local/share/ca-certificates/*.crt "$system/usr/local/share/ca-certificates/"
    chroot "$system" update-ca-certificates >/dev/null
  fi
  touch "$system/ready"
fi

mkdir -p "$system/src"
# As a fresh clone has it, files of now, but for the build folder, which stays.
find "$system/src" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- --ignore-failed-read | tar --extract --touch --directory "$system/src"

exec unshare --mount --pid --fork --kill-child --propagation private bash -c '
  set -e
  system=$1
  shift
  mount --bind "$system" "$system"  # its / is a mount, as unshare wants it
  cd "$system"
  mount -t proc proc "$system/proc"
  mount --rbind /sys "$system/sys"
  mount --rbind /dev "$system/dev"
  mount -t tmpfs tmpfs "$system/tmp"
  mount -t tmpfs tmpfs "$system/run"
  exec chroot "$system" env -i "$@"
' on "$system" "${environment[@]}" bash -c 'cd /src && exec "$@"' on "$@"
