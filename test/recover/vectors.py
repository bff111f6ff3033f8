"""Runs the test vectors of the format through recover.py's parsers; prints each one that comes out otherwise than expected.

Usage: vectors.py RECOVER FOLDER. Prints the number of vectors that were tried, last of all.
"""

import hashlib
import importlib.util
import json
import os
import sys

sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("recover", sys.argv[1])
recover = importlib.util.module_from_spec(spec)
spec.loader.exec_module(recover)


class AnySets(dict):
    """Sets of any number, each with as many volumes as may be."""

    class Any:
        volumes = range(recover.LARGEST_NUMBER)

    def __contains__(self, seq):
        return seq > 0

    def __missing__(self, seq):
        return self.Any()


class Silent(recover.Report):
    def say(self, text):
        pass


def read(name):
    with open(os.path.join(sys.argv[2], name), encoding="ascii") as file:
        return json.load(file)["vectors"] if name.endswith(".json") else [json.loads(line) for line in file][1:]


def parse_commit(vector):
    seq, set_id = vector["object"].split("/")[-1][:-5].split("-")
    data = vector["text"].encode("utf-8")
    assert hashlib.sha256(data).hexdigest() == vector["sha256"]
    commit = recover.parse_commit(data, vector["object"])
    if (commit["strategy"], commit["seq"], commit["id"]) != ("townhall-web", int(seq), set_id):
        raise recover.Damage("names another set")


def parse_lines(vector):
    entry = None
    for text in vector["lines"]:
        line = recover.parse_line(text.encode("utf-8", "surrogatepass"), "part")
        if "type" in line:
            if "source" not in vector:
                raise recover.Damage("no source")
            report = Silent()
            entry = recover.parse_entry(line, vector["source"].encode(), AnySets(), "part", report)
            if report.damages:
                raise recover.Damage("forbidden path")
        elif "xattrs" in line:
            recover.add_xattrs(entry, recover.parse_xattrs(line["xattrs"], "part"), "part")
        elif "extents" in line:
            extents = recover.parse_extents(line["extents"], AnySets(), "part")
            if entry is not None:
                entry.extents += extents
    means = vector.get("means", {})
    if entry is not None and means:
        assert entry.path == recover.parse_bytes(means, "path"), "path"
        assert entry.type == means["type"], "type"
        assert (entry.size, len(entry.extents)) == (means.get("size", 0), means.get("extents", 0)), "extents"
        assert len(entry.xattrs) == means.get("xattrs", 0), "xattrs"
        if entry.type == "symlink":
            assert entry.target == recover.parse_bytes(means, "target"), "target"
        recover.complete(entry, "part")


def parse_property(vector):
    try:
        found = recover.parse_bytes(vector["property"], "path")
    except recover.BadPath as error:
        raise recover.Damage(str(error)) from None
    assert found == bytes.fromhex(vector["hex"]), "bytes"


def code_of(stop):
    return "damage" if stop.code == recover.DAMAGED else "format-version"


def run(name, parse):
    vectors = read(name)
    for vector in vectors:
        try:
            parse(vector)
            found = "ok"
        except recover.Stop as stop:
            found = code_of(stop)
        except AssertionError as error:
            found = f"other {error}"
        expected = vector["expect"].split(":")[0].replace("read only", "ok")
        if found != expected:
            print(f"{name}: {vector['what']}: {found} instead of {expected}")
    return len(vectors)


def check_order():
    paths = [bytes.fromhex(v["hex"]) for v in read("order.json")]
    if paths != sorted(paths, key=lambda p: p.split(b"/")):
        print("order.json: another order")
    return len(paths)


total = run("commits.json", parse_commit) + run("manifest-lines.jsonl", parse_lines)
total += run("byte-strings.json", parse_property) + check_order()
print(total)
