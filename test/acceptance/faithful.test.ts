/** Everything about a file comes back: trees of every kind of entry, made, changed and compared by stock tools. */
import { spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { compareTrees, makeTree, shell, viewOf } from './faithful-tree.ts';
import { jsonLines, Machine } from './program.ts';

const ROOT = process.geteuid?.() === 0;
const PROJECT = new URL('../..', import.meta.url).pathname;

test.runIf(ROOT)('root brings back a tree with every kind of entry as it was', async () => {
  const machine = await Machine.make();
  const source = machine.at('tree');
  makeTree(source, true);
  const { incomplete } = await machine.backup();
  expect(incomplete).toEqual([]);
  // What comes of the folder above the target is no part of the point.
  shell(machine.folder, 'setfacl -m d:u:7:rwx,d:g:8:rx .');
  const to = await machine.restore('latest');
  expect(compareTrees(source, `${to}${source}`)).toEqual([]);

  // Nothing has changed: nothing is read again, and the attributes stay.
  const second = await machine.backup();
  expect(second).toMatchObject({ point: { type: 'incremental' }, bytesRead: 0 });
  expect(compareTrees(source, `${await machine.restore(2)}${source}`)).toEqual([]);

  // The script with stock tools brings back the same.
  const recovered = `${machine.folder}/recovered`;
  const home = `${machine.folder}/gnupg`;
  mkdirSync(home, { mode: 0o700 });
  const env = { ...process.env, GNUPGHOME: home };
  expect(spawnSync('gpg', ['--batch', '--quiet', '--import', machine.secretKey], { env }).status).toBe(0);
  const recover = spawnSync(
    'python3',
    [`${PROJECT}docs/recover.py`, '--store', machine.store, '--name', 'town', '--to', recovered],
    { env, encoding: 'utf8' },
  );
  expect(recover.status, recover.stderr).toBe(0);
  expect(compareTrees(source, `${recovered}${source}`)).toEqual([]);
});

test.runIf(ROOT)('the comparison sees each thing that could be lost', async () => {
  const machine = await Machine.prepare();
  const source = machine.at('tree');
  makeTree(source, true);
  const seen = viewOf(source);
  const copy = machine.at('copy');
  const lose = {
    content: 'printf hellO > files/small; touch -r ../tree/files/small files/small',
    mode: 'chmod 4755 files/large',
    'set-uid': 'chmod u-s modes/4755',
    owner: 'chown 1:1 files/empty',
    nanoseconds: "touch -d '2038-01-19 03:14:08.123456788' times/2038; touch -r ../tree/times times",
    'time of a link': "touch -h -d '2000-01-01' times/link",
    'time of a folder': "touch -d '2000-01-01' times/dir",
    attribute: 'setfattr -x user.binary attrs/file',
    'attribute of a link': 'setfattr -h -x trusted.of-a-link links/rel',
    'attribute of a pipe': 'setfattr -x trusted.of-a-pipe special/fifo',
    ACL: 'setfacl -m u:1:r acl/file',
    'default ACL': 'setfacl -k acl/dir',
    'ACL too many': 'setfacl -m u:5:r acl/dir/plain/none',
    capabilities: 'setcap -r attrs/program',
    'hard link':
      'cp -a --remove-destination links/small s && mv s links/small && touch -r ../tree/links links && touch -r ../tree .',
    hole: 'cp --sparse=never sparse/dug d; cat d > sparse/dug; touch -r ../tree/sparse/dug sparse/dug; rm d; touch -r ../tree .',
    'zeros that take room': 'fallocate -d files/zeros; touch -r ../tree/files/zeros files/zeros',
    device:
      'rm special/disk; mknod -m 0640 special/disk b 259 1; touch -r ../tree/special/disk special/disk; touch -r ../tree/special special',
    name: "mv 'names/-rf' names/rf; touch -r ../tree/names names",
  };
  for (const [what, script] of Object.entries(lose)) {
    shell(machine.source, 'rm -rf copy; cp -a --preserve=all tree copy');
    expect(compareTrees(source, copy, seen), what).toEqual([]);
    shell(copy, script);
    expect(compareTrees(source, copy, seen), what).not.toEqual([]);
  }
});

test('a change of metadata alone is recorded, and stores no content', async () => {
  const machine = await Machine.make();
  const source = machine.at('tree');
  makeTree(source, ROOT);
  shell(machine.source, 'head -c 2000000 /dev/urandom > tree/big');
  await machine.backup();
  const changes = [
    'setfattr -n user.new -v value big',
    'setfattr -n user.new -v other big; setfattr -x user.text attrs/file',
    'setfacl -m u:9:r big; setfacl -b acl/file; setfacl -k acl/dir',
    'chmod 751 big; chmod 3755 modes/sticky',
    "touch -d '2011-11-11 11:11:11.123456789' big; touch -h -d '2012-12-12 12:12:12.000000001' links/rel",
    'ln big links/big; rm links/small',
    ...(ROOT
      ? [
          'chown 5:6 big; chown -h 5:6 links/rel special/fifo',
          'setcap -r attrs/program; setcap cap_chown+ei big',
        ]
      : []),
  ];
  for (const [i, change] of changes.entries()) {
    shell(source, change);
    const { bytesStored, point } = await machine.backup();
    expect(point, change).toMatchObject({ seq: i + 2, type: 'incremental' });
    expect(bytesStored, change).toBeLessThan(20_000);
    const to = await machine.restore('latest', ...(ROOT ? [] : ['--no-owner']));
    expect(compareTrees(source, `${to}${source}`), change).toEqual([]);
  }
});

/** Runs the program as somebody who has no rights but his own. */
async function asNobody(
  machine: Machine,
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { spawn } = await import('node:child_process');
  const child = spawn(
    'setpriv',
    [
      ...['--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all', '--'],
      ...[process.execPath, `${PROJECT}bin/holdfast.js`, ...args],
    ],
    { cwd: machine.folder, env: machine.environment(), stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, stdout, stderr };
}

test.runIf(ROOT)('an ordinary user gets all contents, and hears what could not be set, with 3', async () => {
  const machine = await Machine.make();
  const source = machine.at('tree');
  makeTree(source, true);
  await machine.backup();
  const own = `${machine.folder}/own`;
  chmodSync(machine.folder, 0o755);
  shell(
    machine.folder,
    'chmod -R a+rX store; mkdir own; install -m 400 -o 65534 keys/secret.asc own/secret.asc; chown 65534 own',
  );
  const restore = ['restore', '--json', '--secret-key', `${own}/secret.asc`];
  const to = `${own}/back`;
  const { code, stdout, stderr } = await asNobody(machine, ...restore, '--to', to);
  expect(code, stderr).toBe(3);
  const back = `${to}${source}`;
  // Contents, names, links, times, and what a user may set himself.
  const contents = 'find . -type f -print0 | sort -z | xargs -0 sha256sum';
  expect(shell(back, contents)).toBe(shell(source, contents));
  const times = `find . ! -type b ! -type c -printf '%P %y %s %n %T@ %l\\n' | sort`;
  // The devices are missing, and with one of them a further name of it.
  expect(shell(back, times)).toBe(shell(source, times));
  const own_attributes = "getfattr -R -P -h -d -m '^user' -e hex . | cat";
  expect(shell(back, own_attributes)).toBe(shell(source, own_attributes));
  expect(shell(back, 'getfacl -R -p -n -E acl 2>/dev/null | grep -v "^#"')).toBe(
    shell(source, 'getfacl -R -p -n -E acl 2>/dev/null | grep -v "^#"'),
  );
  const said = new Map(
    jsonLines(stdout)
      .filter(({ event }) => event === 'incomplete')
      .map(({ path, problem }) => [String(path).slice(source.length), problem]),
  );
  expect(said.get('/links/null')).toBe('cannot be made (EPERM)');
  expect(said.get('/special/disk')).toBe('cannot be made (EPERM)');
  // A further name is tried for itself where the first cannot be made.
  expect(said.get('/special/null')).toBe('cannot be made (EPERM)');
  expect(said.get('/attrs/program')).toBe('owner and capabilities and extended attributes could not be set');
  expect(said.get('/files/small')).toBe('owner could not be set');
  expect(said.get('/links/fifo')).toContain('owner');
  // A program does not become this user's own set-uid program.
  expect(statSync(`${back}/files/suid`).mode & 0o7777).toBe(0o755);

  // Whoever asks for no owners does not miss them.
  const again = await asNobody(machine, ...restore, '--no-owner', '--to', `${own}/again`, `${source}/files`);
  expect(again.code, again.stderr).toBe(0);
});

test.runIf(ROOT)('owners come back by name where it is known, by number else or when asked', async () => {
  const machine = await Machine.make();
  for (const name of ['known', 'unknown', 'mixed']) writeFileSync(machine.at(name), name);
  shell(machine.source, 'chown daemon:mail known; chown 4711:4712 unknown; chown 4711:mail mixed');
  const { uid, gid } = lstatSync(machine.at('known'));
  await machine.backup();
  // Another machine, on which the names have other numbers.
  const etc = `${machine.folder}/etc`;
  mkdirSync(etc);
  shell(
    etc,
    `sed 's/^daemon:x:[0-9]*:/daemon:x:7001:/' /etc/passwd > passwd; sed 's/^mail:x:[0-9]*:/mail:x:7002:/' /etc/group > group`,
  );
  const elsewhere = async (to: string, ...args: string[]) => {
    const command = ['restore', '--secret-key', machine.secretKey, '--to', to, ...args];
    const words = [process.execPath, `${PROJECT}bin/holdfast.js`, ...command].map((w) => `'${w}'`).join(' ');
    const script = `mount --bind ${etc}/passwd /etc/passwd; mount --bind ${etc}/group /etc/group; exec ${words}`;
    const { status, stderr } = spawnSync('unshare', ['--mount', 'bash', '-ec', script], {
      cwd: machine.folder,
      env: machine.environment(),
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
    return (name: string) => {
      const found = lstatSync(`${to}${machine.at(name)}`);
      return [found.uid, found.gid];
    };
  };
  const byName = await elsewhere(`${machine.folder}/by-name`);
  expect([byName('known'), byName('unknown'), byName('mixed')]).toEqual([
    [7001, 7002],
    [4711, 4712],
    [4711, 7002],
  ]);
  const byNumber = await elsewhere(`${machine.folder}/by-number`, '--numeric-owner');
  expect([byNumber('known'), byNumber('mixed')]).toEqual([
    [uid, gid],
    [4711, gid],
  ]);
});

test('attributes that fill many lines of the manifest come back', async () => {
  const machine = await Machine.make();
  // tmpfs of this kernel and ext4 hold a few KiB of user attributes; what is larger is tested with a manifest made by hand.
  writeFileSync(machine.at('f'), 'content');
  // The v is needed: setfattr decodes a value that begins with 0s or 0x, as one of 1,024 random ones does.
  const set =
    'for i in $(seq 40); do setfattr -n "user.$i" -v "v$(head -c 57 /dev/urandom | base64 -w0)" f; done';
  shell(machine.source, set);
  await machine.backup();
  const to = await machine.restore(1, ...(ROOT ? [] : ['--no-owner']));
  expect(compareTrees(machine.source, `${to}${machine.source}`)).toEqual([]);
});

test('holes cost nothing to read or to store', async () => {
  const machine = await Machine.make();
  shell(machine.source, 'truncate -s 400M huge; printf end >> huge; truncate -s 600M huge');
  shell(machine.source, 'printf island | dd of=huge bs=1 seek=500000001 conv=notrunc status=none');
  const { bytesRead, bytesStored } = await machine.backup();
  expect(bytesRead).toBeLessThan(100_000);
  expect(bytesStored).toBeLessThan(20_000);
  const to = await machine.restore(1, ...(ROOT ? [] : ['--no-owner']));
  expect(compareTrees(machine.source, `${to}${machine.source}`)).toEqual([]);
  expect(shell(`${to}${machine.source}`, 'tail -c +500000002 huge | head -c 6 || true')).toBe('island');
});
