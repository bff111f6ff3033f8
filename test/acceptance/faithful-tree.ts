/** A tree with every kind of entry, made by stock tools, and the comparison of two trees by stock tools. Shares no code with the program. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

/** Runs a shell script in a folder; throws when any of its commands fails. Text is bytes: Latin-1. */
export function shell(folder: string | Buffer, script: string): string {
  const result = spawnSync('bash', ['-euc', `set -o pipefail; ${script}`], {
    cwd: folder.toString(),
    env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
    encoding: 'latin1',
    maxBuffer: 1 << 28,
    input: '',
  });
  if (result.status !== 0) throw new Error(`${script}\n${result.stderr}\n${result.stdout}`);
  return result.stdout;
}

/** What anybody may make. */
const ORDINARY = String.raw`
mkdir -p files dirs/a/b/c names links special times modes attrs acl sparse
printf 'hello' > files/small; : > files/empty
head -c 3000000 /dev/urandom > files/large; head -c 300000 /dev/zero > files/zeros
chmod 600 files/small; chmod 4711 files/large
for mode in 000 400 644 1666 2755 4755 6711; do printf '%s' "$mode" > "modes/$mode"; chmod "$mode" "modes/$mode"; done
mkdir modes/sticky modes/setgid modes/closed; printf x > modes/closed/x; chmod 3777 modes/sticky; chmod 2750 modes/setgid; chmod 555 modes/closed
mkdir $'names/folder \xff\xfe'; printf 1 > $'names/folder \xff\xfe/in\nside'; printf 2 > $'names/caf\xe9'; printf 3 > $'names/\x01\x1b[31m'
printf 4 > "names/$(printf 'n%.0s' {1..255})"; printf 5 > 'names/ sp ace '; printf 6 > 'names/-rf'; ln -s $'\xff target' $'names/link \xfe'
ln files/small links/small; ln files/large dirs/a/b/large; ln -s ../files/small links/rel; ln -s /nowhere links/dangling; ln links/rel links/rel-again
ln -s loop links/loop
mkfifo special/fifo; mkfifo -m 0622 $'special/fifo \xff'; ln special/fifo links/fifo
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("special/socket")'
touch -d '1901-12-14 00:00:00.000000001' times/early; touch -d '1969-12-31 23:59:59.999999999' times/before
touch -d '2038-01-19 03:14:08.123456789' times/2038; touch -d '2200-01-01 00:00:00.000000123' times/late
mkdir times/dir; printf x > times/dir/x; touch -d '2001-02-03 04:05:06.070809' times/dir; ln -s x times/link; touch -h -d '1999-12-31 23:59:58.123456789' times/link
printf a > attrs/file; setfattr -n user.text -v 'some text' attrs/file; setfattr -n user.binary -v 0x00ff0a0d00fe attrs/file; setfattr -n user.empty attrs/file
printf ro > attrs/readonly; setfattr -n user.comment -v kept attrs/readonly; chmod 400 attrs/readonly
mkdir attrs/dir; setfattr -n user.of-a-folder -v dir attrs/dir; chmod 555 attrs/dir; : > attrs/empty; setfattr -n user.x -v y attrs/empty
setfattr -n $'user.caf\xe9\xff' -v raw attrs/file
for i in $(seq 12); do setfattr -n "user.many-$i" -v "$(head -c 150 /dev/zero | tr '\0' "$((i % 10))")" attrs/empty; done
printf a > acl/file; setfacl -m u:1:rw,u:65534:r,g:2:x,m::rwx acl/file; printf b > acl/masked; setfacl -m u:1:rwx,m::r acl/masked; mkdir acl/dir
setfacl -m u:1:rwx acl/dir; setfacl -d -m u:2:rx,g:3:rwx acl/dir; printf in > acl/dir/inherits; mkdir acl/dir/sub; mkfifo acl/dir/fifo
mkdir acl/dir/plain; setfacl -b acl/dir/plain; printf none > acl/dir/plain/none; chmod 640 acl/dir/plain/none
truncate -s 50M sparse/only-hole; truncate -s 20M sparse/islands; printf start | dd of=sparse/islands conv=notrunc status=none
printf middle | dd of=sparse/islands bs=1 seek=9000001 conv=notrunc status=none; truncate -s 10000 sparse/small; printf x | dd of=sparse/small bs=1 seek=9000 conv=notrunc status=none
head -c 1000000 /dev/urandom > sparse/dug; head -c 2000000 /dev/zero >> sparse/dug; head -c 1000000 /dev/urandom >> sparse/dug; fallocate -d sparse/dug
head -c 400000 /dev/urandom > sparse/punched; fallocate -p -o 8192 -l 4096 sparse/punched; fallocate -p -o 102400 -l 40960 sparse/punched
fallocate -l 1M sparse/allocated; printf end > sparse/tail; truncate -s 1M sparse/tail
`;

/** What only root may make. */
const PRIVILEGED = `
mknod special/null c 1 3; mknod -m 0640 special/disk b 259 70000; ln special/null links/null
cp /bin/true attrs/program; chmod 755 attrs/program; setcap cap_net_raw,cap_net_admin+ep attrs/program; setfattr -n trusted.secret -v 0x0001ff attrs/program
setfattr -h -n trusted.of-a-link -v link links/rel; setfattr -n trusted.of-a-pipe -v pipe special/fifo; setfattr -n trusted.of-a-device -v device special/null
setfacl -m u:1:rw special/fifo; setfacl -m u:2:r special/disk
chown 1234:4321 files/small dirs/a acl/file; chown -h 77:88 links/dangling; chown 1:2 special/fifo special/socket special/null; chown daemon:mail files/empty
printf s > files/suid; chown 1234:1234 files/suid; chmod 6755 files/suid; chown 4294967294:4294967294 files/large; chmod 4711 files/large
chown 33:33 modes/000 modes/4755 attrs/readonly; chmod 4755 modes/4755
`;

/** Makes the tree in a new folder. */
export function makeTree(folder: string, root: boolean): void {
  mkdirSync(folder);
  shell(folder, ORDINARY);
  if (root) shell(folder, PRIVILEGED);
  // Folders last: what was made in them changed their times.
  shell(folder, "find . -depth -type d -exec touch -h -d '2020-02-02 02:02:02.123456789' {} +");
}

/** How two trees differ, as stock tools see it: one line for each difference. `seen`: what viewOf() said of the first. */
export function compareTrees(one: string, other: string, seen = viewOf(one)): string[] {
  const rsync = execFileSync(
    'rsync',
    ['-n', '-aHAXS', '--checksum', '--itemize-changes', '--delete', `${one}/`, `${other}/`],
    { encoding: 'latin1' },
  );
  const found = rsync.split('\n').filter((line) => line !== '');
  const now = viewOf(other);
  for (const [what, before] of seen) {
    const after = now.get(what) as ReadonlySet<string>;
    for (const line of before) if (!after.has(line)) found.push(`${what}: lost: ${line}`);
    for (const line of after) if (!before.has(line)) found.push(`${what}: new: ${line}`);
  }
  return found;
}

/** What each tool of VIEWS says of a tree, by its name: lines. */
export function viewOf(tree: string): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(
    Object.entries(VIEWS).map(([what, script]) => [what, new Set(shell(tree, script).split('\n'))]),
  );
}

/** The tree as text, once for each tool. */
const VIEWS = {
  // The size of a folder is the file system's own affair.
  find: String.raw`find . \( -type d -printf '%P d %#m %U:%G %n %T@\0' \) -o -printf '%P %y %#m %U:%G %n %s %T@ %l\0' | sort -z | tr '\0' '\n'`,
  getfattr:
    'getfattr -R -P -h -d -m - -e hex . 2>/dev/null | awk -v RS= -v ORS="\\n" \'{ gsub(/\\n/, " | "); print }\' | sort',
  getfacl: 'getfacl -R -P -n -p . | awk -v RS= -v ORS="\\n" \'{ gsub(/\\n/, " | "); print }\' | sort',
  getcap: 'getcap -r . | sort',
  devices: String.raw`find . \( -type b -o -type c \) -exec stat -c '%n %t %T' {} + | sort`,
  // Of content: a file system that once needed a block for attributes may keep it when they have become fewer.
  room: String.raw`find . -type f ! -path './attrs/*' ! -path './acl/*' \( -path './sparse/*' -o -size -1000k \) -printf '%b %P\0' | sort -z | tr '\0' '\n'`,
  links: String.raw`find . ! -type d -links +1 -printf '%i %P\0' | sort -z | awk -v RS='\0' '{ inode = $1; sub(/^[0-9]+ /, ""); names[inode] = names[inode] " = " $0 } END { for (i in names) print names[i] }' | sort`,
} as const;
