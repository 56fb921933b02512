#!/usr/bin/env bash
# tests/alone.sh COMMAND...: runs a test so that nothing of it stays, however it ends, by SIGKILL too: in a process
# namespace of its own, whose processes the kernel ends with its first, and with a /tmp of its own. Where namespaces
# cannot be made it runs as it is.
set -euo pipefail
isolate=(unshare --mount --pid --fork --kill-child --mount-proc --propagation private)
as_before=()
if [[ $EUID -ne 0 ]]; then
  isolate+=(--user --map-current-user --keep-caps)
  as_before=(setpriv --ambient-caps=-all --inh-caps=-all)
fi
"${isolate[@]}" true 2>/dev/null || exec "$@"
temporary=/tmp
# Not over the checkout.
[[ $PWD/ == /tmp/* ]] && temporary=/var/tmp
exec "${isolate[@]}" bash -c '
  mount -t tmpfs -o mode=1777 tmpfs "$1"
  export TMPDIR=$1
  exec "${@:2}"
' alone "$temporary" "${as_before[@]}" "$@"
