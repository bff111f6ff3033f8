#!/usr/bin/env python3
"""Rebuilds a Holdfast backup without Holdfast: with python3 (3.9 or newer), gpg and zstd alone.

What you need
  - this script; the programs gpg (package gnupg) and zstd (package zstd);
  - a copy of the store in a folder: what `swift download` leaves behind, or a directory store as it is;
  - the secret key of one of the recipients in your gpg keyring: gpg --import secret.asc
  - the fingerprint of the backed-up host's signing key, from where you trust it (a printed card, your notes);
  - an empty place to restore to, and about 1 KB of memory for each file of the backup.

What you do
  recover.py --store FOLDER --name NAME --list                             which points there are
  recover.py --store FOLDER --name NAME --signer FINGERPRINT --to TARGET   the newest whole point
  recover.py … --at 12                                                     the point with the number 12
  recover.py … --only /srv/www                                             one file or folder (repeatable)

  FOLDER is the one that holds NAME/commits. /srv/www/index.html comes back as TARGET/srv/www/index.html.
  Owners are set when you are root. gpg asks for the passphrase; it forgets it after some time, so
  give --passphrase-file for a restore that takes hours. Nothing is ever written outside of TARGET.

Exit codes
  0 all well               1 something else failed (target not empty, no room, a program missing)
  2 wrong arguments        3 done, but something could not be set or made: each is named
  4 damage: each object or file is named, and everything that is not harmed has been restored
    (nothing, where a list of the point's entries is damaged or missing)
  10 no such point         12 a key is missing, locked or not trusted         130 interrupted

How it works is the format's specification, docs/format.md; numbers of sections below are its sections.
"""

import argparse
import base64
import binascii
import errno
import hashlib
import heapq
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import time

FAILED, PARTLY, DAMAGED, NO_POINT, KEY_TROUBLE, INTERRUPTED = 1, 3, 4, 10, 12, 130

MIB = 1024 * 1024
COMMIT_LIMIT = 64 * MIB
KEY_LIMIT = SIGNATURE_LIMIT = 64 * 1024
PART_LIMIT = 8 * MIB
LINE_LIMIT = MIB
CHUNK_LIMIT = 16 * MIB
EXTENTS_PER_LINE = 1000
XATTR_NAME_LIMIT, XATTR_VALUE_LIMIT, XATTRS_LIMIT = 255, 64 * 1024, 64 * MIB
FEATURES = {"xattrs"}
LARGEST_NUMBER = 2**53 - 1

SET_FOLDER = re.compile(r"([0-9]{10,16})-([0-9a-f]{32})")
ID = re.compile(r"[0-9a-f]{32}")
SHA256 = re.compile(r"[0-9a-f]{64}")
FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")
MTIME = re.compile(r"0|-?[1-9][0-9]{0,29}")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


# ----------------------------------------------------------------------------- what can go wrong


class Stop(Exception):
    """The script cannot go on. The message is one line for the user, `code` the exit code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Damage(Stop):
    """Something in the store is not what its signed commit says."""

    def __init__(self, message):
        super().__init__(DAMAGED, message)


class BadPath(Exception):
    """A path or link target that section 5.2 forbids."""


class Report:
    """Tells the user on standard error, and remembers for the exit code."""

    def __init__(self):
        self.problems = 0
        self.damages = 0
        self.progressing = False

    def say(self, text):
        if self.progressing:
            sys.stderr.write("\r\033[K")
            self.progressing = False
        print(text, file=sys.stderr, flush=True)

    def problem(self, text):
        self.problems += 1
        self.say(f"not done: {text}")

    def damage(self, text):
        self.damages += 1
        self.say(f"DAMAGE: {text}")

    def progress(self, text):
        """A line that the next one replaces; only where somebody watches."""
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K{text}")
            sys.stderr.flush()
            self.progressing = True

    def exit_code(self):
        return DAMAGED if self.damages else PARTLY if self.problems else 0


def show(path):
    """A path (bytes) as it may be printed: on one line, nothing in it that a terminal would act upon."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def human(size):
    """A number of bytes for people."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


# ----------------------------------------------------------------------------- the store (section 2)


class Store:
    """The folder that holds the objects of one strategy."""

    def __init__(self, folder, name):
        self.name = name
        self.root = os.path.join(folder, name)
        if not os.path.isdir(os.path.join(self.root, "commits")):
            raise Stop(NO_POINT, f"{self.root}/commits does not exist: {self.advice(folder)}")

    def advice(self, folder):
        """Where the user may have meant; the store may lie below a prefix."""
        for place, folders, _files in os.walk(folder):
            if "commits" in folders and "sets" in folders:
                where, name = os.path.split(place)
                return f"there is a backup with --store {show(os.fsencode(where))} --name {name}"
            if place.count(os.sep) - folder.count(os.sep) >= 3:
                folders.clear()
        return "--store is the folder that holds NAME/commits, --name the name of the strategy"

    def path(self, name):
        return os.path.join(self.root, name)

    def names(self, folder):
        try:
            return sorted(os.listdir(self.path(folder)))
        except FileNotFoundError:
            return []

    def read(self, name, limit):
        """The bytes of a small object; None where there is none."""
        try:
            with open(self.path(name), "rb") as file:
                data = file.read(limit + 1)
        except FileNotFoundError:
            return None
        if len(data) > limit:
            raise Damage(f"{self.name}/{name} is larger than {limit} bytes")
        return data

    def size(self, name):
        """Length of an object in bytes; None where there is none."""
        try:
            return os.stat(self.path(name)).st_size
        except FileNotFoundError:
            return None


# ----------------------------------------------------------------------------- signatures (section 6)


class Signers:
    """Checks signatures with gpg, in a keyring of its own; good is what one of the `trusted` has signed."""

    def __init__(self, store, pins, report):
        self.home = tempfile.mkdtemp(prefix="recover-")
        self.report = report
        self.trusted = set()
        try:
            self.load(store, pins)
        except BaseException:
            self.close()
            raise

    def load(self, store, pins):
        """Imports the pinned keys; without pins all that the store holds."""
        stored = [n[: -len(".asc")] for n in store.names("keys") if n.endswith(".asc")]
        for fingerprint in pins or filter(FINGERPRINT.fullmatch, stored):
            name = f"keys/{fingerprint}.asc"
            key = store.read(name, KEY_LIMIT)
            if key is None:
                raise Stop(
                    KEY_TROUBLE,
                    f"the signer {fingerprint} is not in the store: check the fingerprint, or put "
                    f"its public key at {store.path(name)}",
                )
            if fingerprint in self.import_key(key):
                self.trusted.add(fingerprint)
            elif pins:
                raise Stop(KEY_TROUBLE, f"{store.path(name)} does not hold the key {fingerprint}")
            else:
                self.report.say(f"warning: {store.path(name)} does not hold the key of its name: left aside")

    def import_key(self, key):
        """Imports a public key; the fingerprints of what was in it."""
        lines = self.status(["--import"], key)
        return {line[2] for line in lines if line[0] == "IMPORT_OK" and len(line) > 2}

    def status(self, arguments, data):
        """gpg's status lines, in words. Its clock must not decide what is good (--ignore-time-conflict)."""
        command = ["gpg", "--homedir", self.home, "--no-options", "--batch", "--no-tty", "--quiet"]
        command += ["--status-fd", "1", "--trust-model", "always", "--ignore-time-conflict"]
        command += ["--no-auto-key-retrieve", "--disable-dirmngr"]
        quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        return status_lines(subprocess.run(command + arguments, input=data, **quiet).stdout)

    def check(self, data, signature):
        """Who signed these bytes: ("good", fingerprint, oddities) or ("unknown" or "bad", why, [])."""
        path = os.path.join(self.home, "signature.asc")
        with open(path, "wb") as file:
            file.write(signature)
        lines = self.status(["--verify", path, "-"], data)
        said = {line[0] for line in lines}
        if "BADSIG" in said:
            return "bad", "its signature is bad: the commit or the signature was altered", []
        for line in lines:
            # VALIDSIG: … 9 is the type of the signature, 10 the fingerprint of the primary key.
            if line[0] == "VALIDSIG" and len(line) > 10 and line[9] == "00" and line[10] in self.trusted:
                return "good", line[10], self.oddities(said, int(line[3]))
        for line in lines:
            if line[0] == "ERRSIG" and len(line) > 6 and line[6] == "9":
                return "unknown", f"it is signed by {line[-1]}, which is not trusted", []
        return "bad", "its signature cannot be read", []

    def oddities(self, said, made):
        """What is strange about a good signature. Dates do not decide: the host's clock may be wrong."""
        strange = []
        if "EXPKEYSIG" in said:
            strange.append("the signer's key has expired")
        if "EXPSIG" in said:
            strange.append("the signature has expired")
        if "REVKEYSIG" in said:
            strange.append("the signer's key HAS BEEN REVOKED: find out why before you use what you restore")
        if made > time.time() + 86400:
            strange.append("the signature is dated in the future")
        return strange

    def close(self):
        # Some versions of gpg leave a daemon in a new keyring's folder.
        if any(name.startswith("S.") for name in os.listdir(self.home)) and shutil.which("gpgconf"):
            subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.home, ignore_errors=True)


def status_lines(output):
    """The status lines in gpg's output, each as a list of words, the keyword first."""
    prefix = b"[GNUPG:] "
    lines = [line[len(prefix) :] for line in output.split(b"\n") if line.startswith(prefix)]
    return [line.decode("utf-8", "replace").split(" ") for line in lines]


# ----------------------------------------------------------------------------- commits (section 6)


class Set:
    """A set whose commit has a good signature, or is vouched for by that of a set which builds on it."""

    def __init__(self, commit, digest, signer):
        self.commit = commit
        self.digest = digest
        self.signer = signer
        self.seq, self.id, self.ordinal = commit["seq"], commit["id"], commit["ordinal"]
        self.folder = f"{self.seq:010d}-{self.id}"
        self.volumes = [o for o in commit["objects"] if o["name"].startswith("vol-")]
        self.parts = [o for o in commit["objects"] if o["name"].endswith(".jsonl.zst.pgp")]

    def object(self, record):
        return f"sets/{self.folder}/{record['name']}"

    def __str__(self):
        return f"point {self.seq} ({self.commit['type']}, {self.commit['time']}, id {self.id[:8]}…)"


class Rejected:
    """A commit that is no point, and why; with its bytes, where all that is wrong is its signature."""

    def __init__(self, seq, set_id, kind, why, data=None):
        self.seq, self.id, self.kind, self.why, self.data = seq, set_id, kind, why, data


def load_sets(store, signers, report):
    """All commits of the strategy: the good ones, and the others with the reason; both by seq."""
    found = []
    names = [n for n in store.names("commits") if n.endswith(".json")]
    for name in names:
        match = SET_FOLDER.fullmatch(name[: -len(".json")])
        if match is None or f"{int(match[1]):010d}" != match[1] or not is_number(int(match[1]), 1):
            continue
        report.progress(f"checking signatures: {name}")
        found.append(load_set(store, signers, report, int(match[1]), match[2]))
    good, rejected, vouchers = [], [], {}
    # What builds on a set is newer: its signature vouches for the bytes of the commit that it names (section 8).
    for each in sorted(found, key=by_seq, reverse=True):
        each = vouched(each, vouchers, store, report)
        (good if isinstance(each, Set) else rejected).append(each)
        if isinstance(each, Set) and each.commit["parent"] is not None:
            parent = each.commit["parent"]
            vouchers.setdefault((parent["seq"], parent["id"], parent["commitSha256"]), []).append(each)
    return good[::-1], rejected[::-1]


def vouched(found, vouchers, store, report):
    """The set, where a commit's own signature is no good and a set of the same writer that builds on it vouches for it."""
    if isinstance(found, Set) or found.data is None:
        return found
    digest = hashlib.sha256(found.data).hexdigest()
    children = vouchers.get((found.seq, found.id, digest), [])
    if not children:
        return found
    try:
        commit = read_commit(store, found.data, found.seq, found.id)
    except Stop as stop:
        return Rejected(found.seq, found.id, kind_of(stop), str(stop))
    child = next((c for c in children if c.commit["writer"] == commit["writer"]), None)
    if child is None:
        return found
    full = f"{store.name}/commits/{found.seq:010d}-{found.id}.json"
    report.say(f"warning: {full}: its signature is missing or no good, but {child} is signed and vouches for it")
    return Set(commit, digest, child.signer)


def by_seq(a_set):
    return a_set.seq, a_set.id


def load_set(store, signers, report, seq, set_id):
    """One commit: first its signature is checked over its bytes, only then is it parsed."""
    name = f"commits/{seq:010d}-{set_id}.json"
    full = f"{store.name}/{name}"
    try:
        data = store.read(name, COMMIT_LIMIT)
        signature = store.read(name + ".asc", SIGNATURE_LIMIT)
        if signature is None:
            return Rejected(seq, set_id, "unsigned", f"{full} has no signature: it is no point", data)
        verdict, who, oddities = signers.check(data, signature)
        if verdict != "good":
            kind = "unsigned" if verdict == "unknown" else "damage"
            return Rejected(seq, set_id, kind, f"{full} is no point: {who}", data)
        for oddity in oddities:
            report.say(f"warning: {full}: {oddity}")
        commit = read_commit(store, data, seq, set_id)
    except Stop as stop:
        return Rejected(seq, set_id, kind_of(stop), str(stop))
    return Set(commit, hashlib.sha256(data).hexdigest(), who)


def kind_of(stop):
    return "damage" if stop.code == DAMAGED else "version"


def read_commit(store, data, seq, set_id):
    """The commit in bytes that a trusted signer vouches for. Or Stop."""
    full = f"{store.name}/commits/{seq:010d}-{set_id}.json"
    commit = parse_commit(data, full)
    if (commit["strategy"], commit["seq"], commit["id"]) != (store.name, seq, set_id):
        raise Damage(f"{full} names another set than its own name does")
    return commit


def parse_json(data):
    """Strict JSON of UTF-8 bytes. Raises ValueError."""

    def refuse(constant):
        raise ValueError(f"{constant} is not JSON")

    try:
        return json.loads(data.decode("utf-8"), parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def is_number(value, least=0):
    """Whether a value is an integer from `least` on. (For Python, True is an int too.)"""
    return type(value) is int and least <= value <= LARGEST_NUMBER


def matches(pattern, value):
    return isinstance(value, str) and pattern.fullmatch(value) is not None


REFERENCE = {
    "seq": lambda v: is_number(v, 1),
    "id": lambda v: matches(ID, v),
    "commitSha256": lambda v: matches(SHA256, v),
}
OBJECT = {
    "name": lambda v: isinstance(v, str),
    "size": is_number,
    "plainSize": is_number,
    "sha256": lambda v: matches(SHA256, v),
}
WITH_MD5 = {**OBJECT, "md5": lambda v: matches(ID, v)}
DEPENDENCY = {
    "seq": lambda v: is_number(v, 1),
    "id": lambda v: matches(ID, v),
    "volumes": lambda v: isinstance(v, list) and len(v) > 0 and all(is_range(r) for r in v),
}
INCOMPLETE = dict.fromkeys(("carried", "torn", "unreadable"), is_number)
COMMIT = {
    "format": lambda v: v == "holdfast-commit",
    "version": lambda v: v == 1,
    "features": lambda v: isinstance(v, list) and all(isinstance(f, str) for f in v),
    "strategy": lambda v: isinstance(v, str),
    "seq": lambda v: is_number(v, 1),
    "id": lambda v: matches(ID, v),
    "type": lambda v: v in ("full", "incremental"),
    "ordinal": is_number,
    "base": lambda v: v is None or is_number(v),
    "parent": lambda v: v is None or is_record(v, REFERENCE),
    "previous": lambda v: v is None or is_record(v, REFERENCE),
    "writer": lambda v: matches(ID, v),
    "succeeds": lambda v: v is None or matches(ID, v),
    "time": lambda v: matches(TIME, v),
    "finished": lambda v: matches(TIME, v),
    "tool": lambda v: isinstance(v, str),
    "recipients": lambda v: isinstance(v, list) and len(v) > 0 and all(matches(FINGERPRINT, f) for f in v),
    "objects": lambda v: isinstance(v, list) and all(is_record(o, OBJECT) or is_record(o, WITH_MD5) for o in v),
    "depends": lambda v: isinstance(v, list) and all(is_record(d, DEPENDENCY) for d in v),
    "counts": lambda v: is_record(v, dict.fromkeys(("entries", "files", "bytes", "listed"), is_number)),
    "incomplete": lambda v: is_record(v, INCOMPLETE) or is_record(v, {**INCOMPLETE, "partial": is_number}),
}


def is_range(value):
    pair = isinstance(value, list) and len(value) == 2 and all(is_number(n, 1) for n in value)
    return pair and value[0] <= value[1]


def is_record(value, keys):
    """Whether a value is an object with exactly these keys, each as its function demands."""
    same = isinstance(value, dict) and value.keys() == keys.keys()
    return same and all(keys[key](member) for key, member in value.items())


def parse_commit(data, name):
    """The commit in some bytes, whose signature has been checked."""
    try:
        commit = parse_json(data)
    except ValueError:
        raise Damage(f"{name} is not JSON, although its signature is good") from None
    if isinstance(commit, dict) and commit.get("format") == "holdfast-commit":
        version, features = commit.get("version"), commit.get("features")
        if is_number(version) and version != 1:
            raise Stop(FAILED, f"{name} is of format version {version}; this script reads version 1")
        unknown = [str(f) for f in features if f not in FEATURES] if isinstance(features, list) else []
        if unknown:
            unknown = show(", ".join(unknown).encode("utf-8", "replace"))
            raise Stop(FAILED, f"{name} needs {unknown}, which this script does not know")
    if not isinstance(commit, dict) or commit.keys() != COMMIT.keys():
        raise Damage(f"{name} has missing or unknown keys, although its signature is good")
    for key, value in commit.items():
        if not COMMIT[key](value):
            raise Damage(f"{name} is malformed at {key}, although its signature is good")
    check_commit(commit, name)
    return commit


def check_commit(commit, name):
    """What the keys of a commit must have to do with one another."""
    if not fits_its_type(commit):
        raise Damage(f"{name} contradicts itself, although its signature is good")
    features = commit["features"]
    if len(set(features)) != len(features) or ("xattrs" in features) != ("partial" in commit["incomplete"]):
        raise Damage(f"{name} announces features wrongly, although its signature is good")
    if not is_ascending(commit["depends"], commit["seq"]):
        raise Damage(f"{name} lists what it depends on out of order, although its signature is good")
    names = [o["name"] for o in commit["objects"]]
    volumes = sum(n.startswith("vol-") for n in names)
    due = [f"vol-{i:06d}.tar.zst.pgp" for i in range(1, volumes + 1)] + ["manifest-0000.json.zst.pgp"]
    due += [f"manifest-{i:04d}.jsonl.zst.pgp" for i in range(1, len(names) - volumes)]
    if names != due:
        raise Damage(f"{name} lists its objects out of order, although its signature is good")


def fits_its_type(commit):
    """Whether a full builds on nothing, and an incremental on an older set."""
    ordinal, parent, previous = commit["ordinal"], commit["parent"], commit["previous"]
    if commit["type"] == "full":
        alone = ordinal == 0 and commit["base"] is None and parent is None and not commit["depends"]
        return alone and (previous is None or previous["seq"] < commit["seq"])
    if ordinal == 0 or parent is None or previous is not None:
        return False
    return commit["base"] == base_of(ordinal) and parent["seq"] < commit["seq"]


def is_ascending(depends, seq):
    """Whether earlier sets, and in each of them ranges of volumes, are listed in their order."""
    sets = [d["seq"] for d in depends] + [seq]
    ranges = [[n for pair in d["volumes"] for n in pair] for d in depends]
    in_order = all(a < b for a, b in zip(sets, sets[1:]))
    return in_order and all(a < b for r in ranges for a, b in zip(r[1::2], r[2::2]))


# ----------------------------------------------------------------------------- chains (sections 5 and 8)


def base_of(ordinal):
    """The manifest that the one with this ordinal builds on: the lowest set bit is cleared."""
    return ordinal & (ordinal - 1)


def manifest_ordinals(ordinal):
    """The manifests that a point is read with, newest first: n, base(n), … 0."""
    ordinals = [ordinal]
    while ordinals[-1] > 0:
        ordinals.append(base_of(ordinals[-1]))
    return ordinals


def chain_of(point, sets):
    """The sets from the full to this point; a set's place in the list is its ordinal. Or Damage."""
    by_name = {(s.seq, s.id): s for s in sets}
    chain = [point]
    while chain[0].commit["parent"] is not None:
        child, reference = chain[0], chain[0].commit["parent"]
        parent = by_name.get((reference["seq"], reference["id"]))
        if parent is None:
            raise Damage(f"{point} builds on set {reference['seq']}, whose commit is missing or not good")
        if parent.digest != reference["commitSha256"] or parent.ordinal != child.ordinal - 1:
            raise Damage(f"{point} builds on another set {parent.seq} than the one that is here")
        chain.insert(0, parent)
    return chain


def needed_objects(chain):
    """(set, record) of each object that the last point of the chain needs, as far as the commits tell."""
    point, by_seq = chain[-1], {s.seq: s for s in chain}
    for ordinal in manifest_ordinals(point.ordinal):
        for record in chain[ordinal].parts:
            yield chain[ordinal], record
    for dependency in point.commit["depends"]:
        earlier = by_seq.get(dependency["seq"])
        if earlier is None or earlier is point or earlier.id != dependency["id"]:
            raise Damage(f"{point} depends on the set {dependency['seq']}, which is not in its chain")
        for first, last in dependency["volumes"]:
            if last > len(earlier.volumes):
                raise Damage(f"{point} depends on volume {last} of set {earlier.seq}, which is not there")
            for volume in range(first, last + 1):
                yield earlier, earlier.volumes[volume - 1]
    for record in point.volumes:
        yield point, record


def faults_of(point, sets, store):
    """What keeps a point from being whole, as far as can be seen without reading everything."""
    try:
        needed = list(needed_objects(chain_of(point, sets)))
    except Damage as damage:
        return [str(damage)]
    faults = []
    for owner, record in needed:
        name, size = owner.object(record), store.size(owner.object(record))
        if size is None:
            faults.append(f"{store.name}/{name} is missing")
        elif size != record["size"]:
            faults.append(f"{store.name}/{name} has {size} bytes instead of {record['size']}")
    return faults


def choose(at, sets, rejected, store, report):
    """The point that the user means; without `at` the newest whole one."""
    if at is not None:
        return choose_named(at, sets, rejected)
    for bad in rejected:
        if bad.kind == "unsigned":
            report.say(f"warning: {bad.why}")
    claims = sets + [r for r in rejected if r.kind != "unsigned"]
    for candidate in sorted(claims, key=by_seq, reverse=True):
        if isinstance(candidate, Rejected):
            if candidate.kind == "version":
                raise Stop(FAILED, f"{candidate.why}; choose an older point with --at (see --list)")
            report.damage(candidate.why)
            continue
        faults = faults_of(candidate, sets, store)
        if not faults:
            refuse_rivals(candidate, sets)
            return candidate
        report.damage(f"{candidate} is not whole and is passed over: {faults[0]}")
        report.say(f"(--at {candidate.seq} restores what is left of it)")
    raise Stop(DAMAGED if report.damages else NO_POINT, f"no whole point of {store.name} in {store.root}")


def choose_named(at, sets, rejected):
    """The point with a seq, a set's name (SEQ-ID), or an id's first digits."""

    def meant(s):
        if re.fullmatch(r"[0-9]{1,9}", at):
            return s.seq == int(at)
        return f"{s.seq:010d}-{s.id}" == at or (len(at) >= 8 and s.id.startswith(at))

    found = [s for s in sets if meant(s)]
    if len(found) > 1:
        raise Stop(NO_POINT, f"--at {at} is ambiguous: say --at {' or --at '.join(s.folder for s in found)}")
    if found:
        return found[0]
    for bad in filter(meant, rejected):
        codes = {"damage": DAMAGED, "unsigned": NO_POINT, "version": FAILED}
        raise Stop(codes[bad.kind], bad.why)
    there = f"they go from {sets[0].seq} to {sets[-1].seq}, see --list" if sets else "there is none at all"
    raise Stop(NO_POINT, f"there is no point {at}: {there}")


def refuse_rivals(newest, sets):
    """Two points may both be the newest: of a host and its copy. Only a person can say which is meant."""
    parent = newest.commit["parent"]
    for other in sets:
        same_parent = parent is not None and other.commit["parent"] == parent
        if other is not newest and (other.seq == newest.seq or same_parent):
            both = f"--at {newest.folder} or --at {other.folder}"
            raise Stop(NO_POINT, f"two points claim to be the newest: say {both}")


# ----------------------------------------------------------------------------- sealed objects (section 3)


class Opener:
    """Opens sealed objects with the keys in the user's own gpg keyring."""

    def __init__(self, store, passphrase_file):
        self.store = store
        self.command = ["gpg", "--batch", "--quiet", "--status-fd", "2"]
        if passphrase_file is not None:
            self.command += ["--pinentry-mode", "loopback", "--passphrase-file", passphrase_file]
        elif sys.stdin is not None and sys.stdin.isatty():
            # Where gpg's agent shall ask for the passphrase.
            os.environ.setdefault("GPG_TTY", terminal())

    def open(self, owner, record):
        """The content of an object as a stream, after its size and SHA-256 have been found right."""
        name = owner.object(record)
        full = f"{self.store.name}/{name}"
        try:
            file = open(self.store.path(name), "rb", buffering=0)
        except FileNotFoundError:
            raise Damage(f"{full} is missing") from None
        try:
            with file:
                size, digest = digest_of(file)
                if size != record["size"]:
                    raise Damage(f"{full} has {size} bytes instead of {record['size']}")
                if digest != record["sha256"]:
                    raise Damage(f"{full} was altered: its SHA-256 is not the one in the signed commit")
                file.seek(0)
                return Content(self.command, file, full, record["plainSize"], owner.commit["recipients"])
        except OSError as error:
            raise Damage(f"{full} cannot be read: {error.strerror}") from None


def terminal():
    """The terminal's name; /dev/tty where it has none."""
    try:
        return os.ttyname(sys.stdin.fileno())
    except OSError:
        return "/dev/tty"


def digest_of(file):
    """Length and SHA-256 of an open file."""
    digest, size = hashlib.sha256(), 0
    while block := file.read(MIB):
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()


class Content:
    """What comes out of `gpg --decrypt | zstd --decompress`, and never more than the commit states."""

    def __init__(self, command, file, name, plain_size, recipients):
        self.name, self.plain_size, self.recipients = name, plain_size, recipients
        self.count = 0
        self.said_by_gpg, self.said_by_zstd = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        gpg = command + ["--decrypt"]
        # No frame with a window of more than 8 MiB (section 3).
        zstd = ["zstd", "-d", "-q", "-c", "--memory=8MiB"]
        pipe = subprocess.PIPE
        self.gpg = subprocess.Popen(gpg, stdin=file, stdout=pipe, stderr=self.said_by_gpg)
        self.zstd = subprocess.Popen(zstd, stdin=self.gpg.stdout, stdout=pipe, stderr=self.said_by_zstd)
        self.gpg.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.zstd, self.gpg):
            process.kill()
            process.wait()
        self.zstd.stdout.close()
        self.said_by_gpg.close()
        self.said_by_zstd.close()

    def read(self, length):
        data = self.zstd.stdout.read(min(length, self.plain_size - self.count + 1))
        self.count += len(data)
        if self.count > self.plain_size:
            raise Damage(f"{self.name} holds more than the {self.plain_size} bytes that its commit states")
        return data

    def finish(self):
        """Reads what is left, and makes sure that everything came out well."""
        while self.read(MIB):
            pass
        zstd_code, gpg_code = self.zstd.wait(), self.gpg.wait()
        self.said_by_gpg.seek(0)
        said = {line[0] for line in status_lines(self.said_by_gpg.read())}
        self.refuse_without_key(said, gpg_code)
        trouble = []
        if gpg_code != 0 or not {"DECRYPTION_OKAY", "GOODMDC"} <= said:
            trouble.append(f"gpg says: {last_line(self.said_by_gpg)}")
        if zstd_code != 0:
            trouble.append(f"zstd says: {last_line(self.said_by_zstd)}")
        if trouble:
            raise Damage(f"{self.name} is damaged ({'; '.join(trouble)})")
        if self.count != self.plain_size:
            raise Damage(f"{self.name} holds {self.count} bytes instead of {self.plain_size}")

    def refuse_without_key(self, said, code):
        """Tells trouble with the user's keys, or with gpg itself, from damage."""
        reason = last_line(self.said_by_gpg)
        if not said:
            raise Stop(FAILED, f"gpg failed at {self.name}: {reason or code}")
        # DECRYPTION_INFO comes once gpg has the message's key: until then, the user's keys are the trouble.
        if "ENC_TO" in said and "DECRYPTION_INFO" not in said:
            keys = " or ".join(self.recipients)
            need = f"the secret key {keys} and its passphrase are needed (--passphrase-file FILE, where gpg cannot ask)"
            raise Stop(KEY_TROUBLE, f"gpg cannot open {self.name} ({reason}): {need}")


def last_line(file):
    """The last thing that a program said, without its name in front."""
    file.seek(0)
    lines = [s.strip() for s in file.read().decode("utf-8", "replace").splitlines()]
    lines = [s for s in lines if s and not s.startswith("[GNUPG:]")]
    return show(re.sub(r"^(gpg|zstd): *", "", lines[-1]).encode()) if lines else ""


# ----------------------------------------------------------------------------- manifests (section 5)


class Entry:
    """One file, folder, link or special file."""

    __slots__ = (
        *("source", "path", "type", "mode", "uid", "gid", "mtime", "link"),
        *("size", "sha256", "extents", "target", "rdev", "xattrs", "mark", "made"),
    )

    def group(self):
        """What hard links to one another have in common: one inode has one content."""
        return (self.source, self.link, self.type, self.sha256, self.target, self.rdev)


def read_manifest(owner, opener, known, report):
    """The entries of one manifest, in order, gone ones too. `known` are the sets that extents may name."""
    last = None
    for entry in gather_entries(owner, opener, known, report):
        key = (entry.source, entry.path.split(b"/"))
        if last is not None and key <= last:
            raise Damage(f"the manifest of set {owner.seq} is out of order at {show(entry.path)}")
        last = key
        yield key, entry


def gather_entries(owner, opener, known, report):
    """Puts entry lines and the continuation lines that belong to them together."""
    pending, more = None, False
    for record in owner.parts:
        name = f"{opener.store.name}/{owner.object(record)}"
        source = None
        for text in part_lines(record, owner, opener, name):
            line = parse_line(text, name)
            if "type" in line:
                if more:
                    raise Damage(f"{name}: an entry begins before the one before it is complete")
                if pending is not None:
                    yield complete(pending, name)
                if source is None:
                    raise Damage(f"{name}: an entry comes before any source")
                pending = parse_entry(line, source, known, name, report)
            elif "source" in line:
                source = line["source"].encode("utf-8")
                continue
            elif not more:
                raise Damage(f"{name}: extents that belong to no entry")
            elif "xattrs" in line:
                xattrs = parse_xattrs(line["xattrs"], name)
                if pending is not None:
                    add_xattrs(pending, xattrs, name)
            elif pending is not None:
                pending.extents += parse_extents(line["extents"], known, name)
            more = line.get("continues") is True
    if more:
        raise Damage(f"the manifest of set {owner.seq} ends in the middle of an entry")
    if pending is not None:
        yield complete(pending, f"the manifest of set {owner.seq}")


def part_lines(record, owner, opener, name):
    """The lines of one part, as bytes without their newlines."""
    if record["plainSize"] > PART_LIMIT:
        raise Damage(f"{name} is larger than a part may be")
    pieces = []
    with opener.open(owner, record) as content:
        while piece := content.read(MIB):
            pieces.append(piece)
        content.finish()
    data = b"".join(pieces)
    if not data.endswith(b"\n"):
        raise Damage(f"{name} does not end with a newline")
    return data[:-1].split(b"\n")


def parse_line(text, name):
    """One line: a source line, an entry line or a continuation line."""
    if len(text) >= LINE_LIMIT:
        raise Damage(f"{name} has a line that is too long")
    try:
        line = parse_json(text)
    except ValueError:
        line = None
    if isinstance(line, dict):
        if "type" in line:
            return line
        if line.keys() == {"source"} and isinstance(line["source"], str) and line["source"]:
            return line
        more = line.keys() - {"continues"} in ({"extents"}, {"xattrs"})
        if more and line.get("continues", True) is True:
            return line
    raise Damage(f"{name} has a malformed line")


def parse_entry(line, source, known, name, report):
    """The entry of an entry line. None if its path is forbidden: then nothing is written for it."""
    entry = Entry()
    entry.source = source
    entry.made = False
    try:
        entry.path = check_path(parse_bytes(line, "path"))
    except BadPath as reason:
        report.damage(f"{name} has an entry with a forbidden path ({reason}): nothing is written for it")
        return None
    if not is_well_formed(line):
        raise Damage(f"{name} has a malformed entry: {show(entry.path)}")
    entry.type = line["type"]
    entry.target = entry.rdev = entry.sha256 = entry.mark = None
    entry.size, entry.extents = 0, []
    entry.mode, entry.uid, entry.gid = line.get("mode"), line.get("uid"), line.get("gid")
    entry.mtime, entry.link = int(line.get("mtime", 0)), line.get("link")
    entry.mark = "torn" if line.get("torn") else "carried over" if line.get("carried") else None
    if entry.mark is None and line.get("partial"):
        entry.mark = "without some of its extended attributes"
    entry.xattrs = []
    if "xattrs" in line and entry.type != "gone":
        add_xattrs(entry, parse_xattrs(line["xattrs"], name), name)
    if entry.type == "file":
        entry.size, entry.sha256 = line["size"], bytes.fromhex(line["sha256"])
        entry.extents = parse_extents(line["extents"], known, name) if "extents" in line else []
    elif entry.type == "symlink":
        entry.target = check_target(line, name, entry.path)
    elif entry.type in ("char", "block"):
        entry.rdev = tuple(line["rdev"])
    return entry


ENTRY_TYPES = ("file", "dir", "symlink", "fifo", "socket", "char", "block", "gone")


def is_well_formed(line):
    """Whether an entry line has the keys that its type demands. Unknown keys are no fault."""
    kind = line["type"]
    if kind not in ENTRY_TYPES or not is_number(line.get("since"), 1):
        return False
    if kind == "gone":
        return True
    fine = is_number(line.get("mode")) and line["mode"] <= 0o7777
    fine = fine and all(is_number(line.get(k)) and line[k] <= 0xFFFFFFFF for k in ("uid", "gid"))
    fine = fine and matches(MTIME, line.get("mtime"))
    fine = fine and all(isinstance(line.get(k, ""), str) for k in ("user", "group", "link"))
    fine = fine and all(line.get(k, True) is True for k in ("carried", "torn", "partial", "continues"))
    if kind == "file":
        return fine and is_number(line.get("size")) and matches(SHA256, line.get("sha256"))
    if kind in ("char", "block"):
        rdev = line.get("rdev")
        return fine and isinstance(rdev, list) and len(rdev) == 2 and all(is_number(n) for n in rdev)
    return fine


def parse_bytes(line, key):
    """The bytes of a path or target: text in `key`, or base64 in `key64`, never both."""
    text, encoded = line.get(key), line.get(key + "64")
    try:
        if isinstance(text, str) and encoded is None:
            return text.encode("utf-8")
        if isinstance(encoded, str) and text is None:
            decoded = base64.b64decode(encoded, validate=True)
            if base64.b64encode(decoded).decode("ascii") == encoded:
                return decoded
    except (UnicodeEncodeError, binascii.Error, ValueError):
        pass
    raise BadPath("it is missing or not readable")


def check_path(path):
    """A path that may be written below the target: absolute, of plain components (section 5.2)."""
    if path == b"/":
        return path
    components = path.split(b"/")
    plain = components[0] == b"" and len(components) > 1 and b"\0" not in path
    if not plain or any(c in (b"", b".", b"..") or len(c) > 255 for c in components[1:]):
        raise BadPath(show(path[:200]))
    return path


def check_target(line, name, path):
    """Where a symlink points to. It may point anywhere: links are never followed here."""
    try:
        target = parse_bytes(line, "target")
    except BadPath:
        target = b""
    if target == b"" or b"\0" in target:
        raise Damage(f"{name} has a link without a usable target: {show(path)}")
    return target


def parse_xattrs(xattrs, name):
    """Extended attributes as [(name, value)], in bytes and in order (section 5.5)."""
    if not isinstance(xattrs, list) or not xattrs:
        raise Damage(f"{name} has malformed attributes")
    return [parse_xattr(x, name) for x in xattrs]


def parse_xattr(xattr, name):
    try:
        if not isinstance(xattr, dict) or xattr.keys() not in ({"name", "value64"}, {"name64", "value64"}):
            raise BadPath("it has other keys")
        key, value = parse_bytes(xattr, "name"), parse_bytes({"value64": xattr["value64"]}, "value")
    except BadPath:
        raise Damage(f"{name} has a malformed attribute") from None
    if not 1 <= len(key) <= XATTR_NAME_LIMIT or b"\0" in key or len(value) > XATTR_VALUE_LIMIT:
        raise Damage(f"{name} has a malformed attribute")
    return key, value


def add_xattrs(entry, xattrs, name):
    """Gives an entry more attributes: in ascending order, none twice, and not without end."""
    for key, value in xattrs:
        if entry.xattrs and key <= entry.xattrs[-1][0]:
            raise Damage(f"{name} has attributes out of order: {show(entry.path)}")
        entry.xattrs.append((key, value))
    if sum(len(value) for _key, value in entry.xattrs) > XATTRS_LIMIT:
        raise Damage(f"{name} has too many attributes: {show(entry.path)}")


def parse_extents(extents, known, name):
    """Extents as (seq, volume, position, length, offset); a hole has the seq 0."""
    if not isinstance(extents, list) or not 1 <= len(extents) <= EXTENTS_PER_LINE:
        raise Damage(f"{name} has malformed extents")
    return [parse_extent(e, known, name) for e in extents]


def parse_extent(extent, known, name):
    """An extent of one number (a hole), four, or five."""
    fine = isinstance(extent, list) and len(extent) in (1, 4, 5) and all(is_number(n) for n in extent)
    if not fine or len(extent) == 5 and extent[4] == 0:
        raise Damage(f"{name} has a malformed extent")
    hole = len(extent) == 1
    seq, volume, position, length, offset = [0, 0, 0] + extent + [0] if hole else (extent + [0])[:5]
    if length < 1:
        raise Damage(f"{name} has an extent without length")
    if not hole and (seq not in known or not 1 <= volume <= len(known[seq].volumes)):
        raise Damage(f"{name} refers to volume {volume} of set {seq}, which is not in its chain")
    return seq, volume, position, length, offset


def complete(entry, name):
    """An entry whose lines are all read: its extents must add up."""
    if sum(e[3] for e in entry.extents) != entry.size:
        raise Damage(f"{name}: the extents of {show(entry.path)} do not add up to its size")
    return entry


def entries_of(chain, opener, report):
    """What exists at the last point of the chain, in order: for each path the newest manifest decides."""
    streams = []
    for age, ordinal in enumerate(manifest_ordinals(chain[-1].ordinal)):
        known = {s.seq: s for s in chain[: ordinal + 1]}
        streams.append(tagged(read_manifest(chain[ordinal], opener, known, report), age))
    last = None
    for key, _age, entry in heapq.merge(*streams, key=lambda item: item[:2]):
        if key == last:
            continue
        last = key
        if entry.type != "gone":
            yield entry


def tagged(stream, age):
    """The stream with its age in each item, so that of equal paths the newest comes first."""
    for key, entry in stream:
        yield key, age, entry


# ----------------------------------------------------------------------------- the plan


class Plan:
    """What is to be written, and which piece of which chunk goes where. It is all in memory."""

    def __init__(self):
        self.entries = []
        # Files whose content is to be written: of a hard-link group the first one only.
        self.files = []
        # Hard links: (entry, the first entry of its group).
        self.links = []
        # (seq, volume) → position in the volume → pieces of the chunk there, each as
        # (number in self.files, offset in the file, offset in the chunk, length).
        self.pieces = {}
        self.content = 0
        self.needed = 0
        self.first_of = {}

    def add(self, entry):
        self.entries.append(entry)
        if entry.link is not None and entry.type != "dir":
            first = self.first_of.setdefault(entry.group(), entry)
            if first is not entry:
                entry.extents = None
                self.links.append((entry, first))
                return
        if entry.type == "file":
            self.add_file(entry)

    def add_file(self, entry):
        place = 0
        for seq, volume, position, length, offset in entry.extents:
            if seq != 0:
                piece = (len(self.files), place, offset, length)
                self.pieces.setdefault((seq, volume), {}).setdefault(position, []).append(piece)
                self.needed += length
            place += length
        entry.extents = None
        self.content += entry.size
        self.files.append(entry)


def make_plan(chain, opener, only, report):
    """Reads the manifests and plans the restore of everything, or of what lies in the paths `only`."""
    plan, marks = Plan(), []
    for entry in entries_of(chain, opener, report):
        if only and not any(is_within(entry.path, folder) for folder in only):
            continue
        plan.add(entry)
        if entry.mark is not None:
            marks.append(entry)
        if len(plan.entries) % 5000 == 0:
            report.progress(f"reading the manifest: {len(plan.entries)} entries")
    for entry in marks:
        report.say(f"note: {show(entry.path)} was {entry.mark} when this point was made")
    return plan


def is_within(path, folder):
    return folder == b"/" or path == folder or path.startswith(folder + b"/")


# ----------------------------------------------------------------------------- writing

# Errors after which it makes no sense to try the next file.
HOPELESS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE)


class Target:
    """The folder that is restored to. It was empty, and links are made last: so no link is ever followed."""

    def __init__(self, folder, set_owner, report):
        self.folder = os.path.realpath(os.fsencode(folder))
        self.set_owner = set_owner
        self.report = report
        self.foreign = 0

    def check_empty(self):
        try:
            if os.listdir(self.folder):
                raise Stop(FAILED, f"{show(self.folder)} is not empty: choose another target, or empty it")
        except FileNotFoundError:
            pass
        except NotADirectoryError:
            raise Stop(FAILED, f"{show(self.folder)} is not a folder: choose another target") from None

    def free_space(self):
        place = self.folder
        while not os.path.exists(place):
            place = os.path.dirname(place)
        space = os.statvfs(place)
        return space.f_bavail * space.f_frsize

    def create(self):
        os.makedirs(os.path.dirname(self.folder), exist_ok=True)
        if not os.path.isdir(self.folder):
            os.mkdir(self.folder, 0o700)

    def place(self, path):
        return self.folder if path == b"/" else self.folder + path

    def attempt(self, entry, action, *arguments):
        """Does something for one entry; if that fails, the entry is named and the work goes on."""
        try:
            action(*arguments)
            return True
        except (OSError, OverflowError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            if isinstance(error, OSError) and error.errno in HOPELESS:
                raise Stop(FAILED, f"{show(entry.path)} cannot be written: {reason}") from None
            self.report.problem(f"{show(entry.path)}: {reason}")
            return False

    def make_folder(self, path):
        """A folder, and those above it. One that is there is fine; anything else there is an error."""
        place = self.place(path)
        try:
            if stat.S_ISDIR(os.lstat(place).st_mode):
                return
        except FileNotFoundError:
            self.make_above(path)
        os.mkdir(place, 0o700)

    def make_above(self, path):
        """The folders above a path that have no entry of their own, as /srv where /srv/www was backed up."""
        above = os.path.dirname(path)
        if above != path and not os.path.lexists(self.place(above)):
            self.make_above(above)
            os.mkdir(self.place(above), 0o755)

    def make_file(self, entry):
        """A new file of the right length, full of zeros: holes need nothing more."""
        self.make_above(entry.path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        file = os.open(self.place(entry.path), flags, 0o600)
        try:
            os.ftruncate(file, entry.size)
        finally:
            os.close(file)

    def write(self, entry, data, offset):
        file = os.open(self.place(entry.path), os.O_WRONLY | os.O_NOFOLLOW)
        try:
            data = memoryview(data)
            while data:
                written = os.pwrite(file, data, offset)
                data, offset = data[written:], offset + written
        finally:
            os.close(file)

    def is_right(self, entry):
        """Whether what is on the disk now has the SHA-256 that the manifest states."""
        with open(self.place(entry.path), "rb", opener=lambda p, f: os.open(p, f | os.O_NOFOLLOW)) as file:
            size, digest = digest_of(file)
        return size == entry.size and bytes.fromhex(digest) == entry.sha256

    def make_special(self, entry):
        place = self.place(entry.path)
        self.make_above(entry.path)
        if entry.type == "symlink":
            os.symlink(entry.target, place)
        elif entry.type == "fifo":
            os.mkfifo(place, 0o600)
        elif entry.type in ("char", "block"):
            kind = stat.S_IFCHR if entry.type == "char" else stat.S_IFBLK
            os.mknod(place, kind | 0o600, os.makedev(*entry.rdev))
        else:
            os.mknod(place, stat.S_IFSOCK | 0o600)

    def make_link(self, entry, first):
        """A hard link; a copy where the file system of the target has no links."""
        self.make_above(entry.path)
        place = self.place(entry.path)
        try:
            os.link(self.place(first.path), place, follow_symlinks=False)
        except OSError:
            if entry.type != "file" or os.path.lexists(place):
                raise
            shutil.copyfile(self.place(first.path), place, follow_symlinks=False)
            self.report.problem(f"{show(entry.path)}: copied, for it cannot be linked to {show(first.path)}")

    def set_metadata(self, entry):
        """Owner first (it clears set-uid), then mode, then ACLs and capabilities, then time."""
        place = self.place(entry.path)
        if self.set_owner:
            self.attempt(entry, lambda: os.chown(place, entry.uid, entry.gid, follow_symlinks=False))
        late = (b"system.", b"security.")
        self.attempt(entry, self.remove_acls, place, {name for name, _value in entry.xattrs})
        for name, value in entry.xattrs:
            # While the file is still writable; ACLs and capabilities belong to the mode.
            if not name.startswith(late):
                self.attempt(entry, self.set_xattr, place, name, value)
        if entry.type != "symlink":
            self.attempt(entry, os.chmod, place, self.mode_for(entry, place))
        for name, value in entry.xattrs:
            if name.startswith(late):
                self.attempt(entry, self.set_xattr, place, name, value)
        self.attempt(entry, lambda: os.utime(place, ns=(entry.mtime, entry.mtime), follow_symlinks=False))

    def remove_acls(self, place, kept):
        """ACLs that came of the folder above and are none of the entry's."""
        try:
            names = os.listxattr(place, follow_symlinks=False)
        except OSError:
            return
        for name in map(os.fsencode, names):
            if name.startswith(b"system.posix_acl_") and name not in kept:
                os.removexattr(place, name, follow_symlinks=False)

    def set_xattr(self, place, name, value):
        try:
            os.setxattr(place, name, value, follow_symlinks=False)
        except OSError as error:
            raise OSError(error.errno, f"{show(name)} cannot be set: {error.strerror}") from None

    def mode_for(self, entry, place):
        """The recorded mode; but a file that is not its owner's must not run as whoever restores."""
        now = os.lstat(place)
        if (now.st_uid, now.st_gid) == (entry.uid, entry.gid):
            return entry.mode
        self.foreign += 1
        mode = entry.mode if now.st_uid == entry.uid else entry.mode & ~stat.S_ISUID
        return mode if now.st_gid == entry.gid else mode & ~stat.S_ISGID


def restore(plan, chain, opener, target, keep_damaged, report):
    """Writes what is planned: folders, files, content, links, metadata."""
    target.create()
    for entry in plan.entries:
        if entry.type == "dir":
            entry.made = target.attempt(entry, target.make_folder, entry.path)
    for entry in plan.files:
        entry.made = target.attempt(entry, target.make_file, entry)
    fill_files(plan, chain, opener, target, report)
    check_files(plan, target, keep_damaged, report)
    linked = {id(entry) for entry, _first in plan.links}
    for entry in plan.entries:
        if entry.type not in ("dir", "file") and id(entry) not in linked:
            entry.made = target.attempt(entry, target.make_special, entry)
    for entry, first in plan.links:
        if first.made:
            entry.made = target.attempt(entry, target.make_link, entry, first)
        else:
            report.problem(f"{show(entry.path)}: not made, for it is a hard link to {show(first.path)}")
    set_all_metadata(plan, target)


def fill_files(plan, chain, opener, target, report):
    """Fetches and decrypts each needed volume once, in order, and puts its pieces where they belong."""
    sets = {s.seq: s for s in chain}
    for number, (seq, volume) in enumerate(sorted(plan.pieces), 1):
        report.progress(f"volume {number} of {len(plan.pieces)}")
        owner = sets[seq]
        try:
            unpack(owner, owner.volumes[volume - 1], plan.pieces[seq, volume], plan, opener, target, report)
        except Damage as damage:
            report.damage(str(damage))
        plan.pieces[seq, volume] = None


def unpack(owner, record, pieces, plan, opener, target, report):
    """Reads one volume: a tar archive of chunks, each named by its SHA-256 (section 4)."""
    name = f"{opener.store.name}/{owner.object(record)}"
    with opener.open(owner, record) as content:
        try:
            with tarfile.open(fileobj=content, mode="r|", bufsize=MIB) as archive:
                for position, member in enumerate(archive):
                    if position in pieces:
                        use_chunk(archive, member, pieces.pop(position), plan, target, name, report)
        except tarfile.TarError as error:
            content.finish()
            raise Damage(f"{name} is not a good tar archive: {error}") from None
        content.finish()
    if pieces:
        raise Damage(f"{name} has no chunk at position {min(pieces)}")


def use_chunk(archive, member, pieces, plan, target, name, report):
    """Puts the pieces of one chunk where they belong. One bad chunk does not keep the others back."""
    try:
        write_pieces(read_chunk(archive, member, name), pieces, plan, target, name)
    except Damage as damage:
        report.damage(str(damage))


def read_chunk(archive, member, name):
    """The bytes of one member, after its digest has been found right."""
    if not member.isreg() or not 1 <= member.size <= CHUNK_LIMIT:
        raise Damage(f"{name} has a member that is no chunk: {show(os.fsencode(member.name))}")
    data = archive.extractfile(member).read()
    if hashlib.sha256(data).hexdigest() != member.name:
        raise Damage(f"{name} has a chunk that is not what its name says: {member.name[:64]}")
    return data


def write_pieces(chunk, pieces, plan, target, name):
    view = memoryview(chunk)
    for number, place, offset, length in pieces:
        if offset + length > len(chunk):
            raise Damage(f"{name} has a chunk that is shorter than the manifest says")
        entry = plan.files[number]
        if entry.made:
            entry.made = target.attempt(entry, target.write, entry, view[offset : offset + length], place)


def check_files(plan, target, keep_damaged, report):
    """Reads every file back. One that is not what it was is removed, unless the user wants to keep it."""
    for number, entry in enumerate(plan.files):
        if number % 1000 == 0:
            report.progress(f"checking files: {number} of {len(plan.files)}")
        if not entry.made or target.is_right(entry):
            continue
        if keep_damaged:
            report.damage(f"{show(entry.path)} is not what it was; kept as it is")
        else:
            os.unlink(target.place(entry.path))
            entry.made = False
            report.damage(f"{show(entry.path)} is not whole: left out (--keep-damaged keeps what there is)")


def set_all_metadata(plan, target):
    """Folders come last and the deepest first, because making things in a folder changes its time."""
    made = [entry for entry in plan.entries if entry.made]
    for entry in made:
        if entry.type != "dir":
            target.set_metadata(entry)
    for entry in sorted((e for e in made if e.type == "dir"), key=lambda e: e.path, reverse=True):
        target.set_metadata(entry)


# ----------------------------------------------------------------------------- the story


def list_points(sets, rejected, store):
    """Prints all points, oldest first, and whether what they need is there. Needs no secret key."""
    for point in sets:
        faults = faults_of(point, sets, store)
        commit, size = point.commit, sum(o["size"] for o in point.commit["objects"])
        print(
            f"{point.seq:>6}  {commit['time']}  {commit['type']:<11}  {commit['counts']['entries']} entries, "
            f"{human(commit['counts']['bytes'])}, stored {human(size)}  {point.id}  "
            f"{'NOT WHOLE: ' + faults[0] if faults else 'whole'}"
        )
    for bad in rejected:
        print(f"{bad.seq:>6}  NO POINT: {bad.why}")


def announce(point, chain, plan, target, report):
    """Says what is about to happen, and whether it fits."""
    sets = {s.seq: s for s in chain}
    fetched = sum(sets[seq].volumes[volume - 1]["size"] for seq, volume in plan.pieces)
    free = target.free_space()
    report.say(f"{point}, signed by {point.signer}")
    report.say(
        f"{len(plan.entries)} entries with {human(plan.content)} ({plan.content} bytes) of content, "
        f"from {len(plan.pieces)} volumes ({human(fetched)})"
    )
    report.say(f"to {show(target.folder)}, where {human(free)} are free")
    if plan.needed > free:
        fit = f"{human(plan.needed)} do not fit into {human(free)}"
        raise Stop(FAILED, f"{fit}: make room, or choose another target")


def run(arguments, report):
    for program in ("gpg", "zstd"):
        if shutil.which(program) is None:
            raise Stop(FAILED, f"{program} is needed: install it (Debian: apt-get install gnupg zstd)")
    store = Store(arguments.store, arguments.name)
    signers = Signers(store, arguments.signer, report)
    try:
        if not arguments.signer:
            keys = ", ".join(sorted(signers.trusted)) or "none"
            report.say(f"No --signer was given, so whatever keys lie in the store are trusted: {keys}")
            report.say("Compare with your card or notes: who can write to the store can put keys there.")
        sets, rejected = load_sets(store, signers, report)
    finally:
        signers.close()
    if arguments.list:
        list_points(sets, rejected, store)
        return
    target = Target(arguments.to, os.geteuid() == 0 and not arguments.no_owner, report)
    target.check_empty()
    point = choose(arguments.at, sets, rejected, store, report)
    chain = chain_of(point, sets)
    opener = Opener(store, arguments.passphrase_file)
    plan = make_plan(chain, opener, arguments.only, report)
    if arguments.only and not plan.entries:
        raise Stop(NO_POINT, f"{point} has nothing at {', '.join(show(p) for p in arguments.only)}")
    announce(point, chain, plan, target, report)
    restore(plan, chain, opener, target, arguments.keep_damaged, report)
    finish(plan, target, arguments.no_owner, report)


def finish(plan, target, no_owner, report):
    if target.foreign and not target.set_owner and not no_owner:
        report.problem(f"owners of {target.foreign} entries: only root can set them (or say --no-owner)")
    made = sum(entry.made for entry in plan.entries)
    report.say(f"restored {made} of {len(plan.entries)} entries; all files were checked by their SHA-256")
    if report.damages:
        report.say(f"There was damage: what {report.damages} lines above name is not as it was; all else is.")
    if report.problems:
        report.say(f"{report.problems} things could not be done: see above.")


def fingerprint(text):
    value = text.replace(" ", "").upper()
    if not FINGERPRINT.fullmatch(value):
        raise argparse.ArgumentTypeError(f"{text} is no fingerprint: it has 40 (or 64) hexadecimal digits")
    return value


def source_path(text):
    path = os.fsencode(text).rstrip(b"/") or b"/"
    try:
        return check_path(path)
    except BadPath:
        raise argparse.ArgumentTypeError(f"{text} is no absolute path of the backed-up machine") from None


def parse_arguments():
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout, allow_abbrev=False)
    add = parser.add_argument
    add("--store", metavar="FOLDER", required=True, help="folder with the store; it holds NAME/commits")
    add("--name", metavar="NAME", required=True, help="name of the strategy")
    trust = "trust only commits signed by these keys; without it, by any key in the store"
    fingerprints = {"nargs": "+", "action": "extend", "type": fingerprint, "default": []}
    add("--signer", metavar="FINGERPRINT", help=trust, **fingerprints)
    add("--at", metavar="SEQ", help="number of the point, or SEQ-ID; without it, the newest whole one")
    add("--to", metavar="TARGET", help="where to restore to: an empty folder, or one that is not there yet")
    add("--list", action="store_true", help="list the points, and do nothing else")
    add("--only", metavar="PATH", action="append", type=source_path, default=[], help="restore only this")
    add("--passphrase-file", metavar="FILE", help="file whose first line is the secret key's passphrase")
    add("--no-owner", action="store_true", help="do not set owners")
    add("--keep-damaged", action="store_true", help="keep files that are not whole, too")
    arguments = parser.parse_args()
    if not arguments.list and not arguments.to:
        parser.error("say where to restore to with --to, or --list")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", arguments.name):
        parser.error(f"{arguments.name} is no name of a strategy")
    points = r"[0-9]{1,9}|[0-9]{10,16}-[0-9a-f]{32}|[0-9a-f]{8,32}"
    if arguments.at is not None and not re.fullmatch(points, arguments.at):
        parser.error(f"--at {arguments.at}: give the number of a point, as --list shows it")
    if arguments.passphrase_file is not None and not os.access(arguments.passphrase_file, os.R_OK):
        print(f"recover.py: {arguments.passphrase_file} cannot be read", file=sys.stderr)
        sys.exit(KEY_TROUBLE)
    return arguments


def main():
    # Names may hold anything; printing them must not fail.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    arguments, report = parse_arguments(), Report()
    try:
        run(arguments, report)
        return report.exit_code()
    except Stop as stop:
        report.say(f"recover.py: {stop}")
        return stop.code
    except KeyboardInterrupt:
        report.say("recover.py: interrupted; what is there is not complete: begin again with an empty target")
        return INTERRUPTED
    except OSError as error:
        where = f"{show(os.fsencode(error.filename))}: " if error.filename else ""
        report.say(f"recover.py: {where}{error.strerror}")
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
