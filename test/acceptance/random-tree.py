"""Changes a tree at random, and tells all there is to know about it. Shares nothing with the program.

random-tree.py apply ROOT    carries out the operations on standard input, a JSON list; what cannot be done is left out
random-tree.py show ROOT     prints the tree as JSON, an object by path
"""

import base64
import hashlib
import json
import os
import random
import shutil
import stat
import struct
import sys


def place(root, path):
    return os.path.join(root, *(part.encode("latin-1") for part in path))


def acl(entries):
    """An access ACL as the kernel has it (linux/posix_acl_xattr.h): named users, and what must be there."""
    fixed = [(1, 7, 0xFFFFFFFF), (4, 5, 0xFFFFFFFF), (0x10, 7, 0xFFFFFFFF), (0x20, 4, 0xFFFFFFFF)]
    named = [(2, perm & 7, uid) for uid, perm in sorted(dict(map(tuple, entries)).items())]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in fixed[:1] + named + fixed[1:])


def apply(root, op):
    kind, path = op["op"], place(root, op["path"])
    # Neither into a pipe, which would wait for a reader, nor through a link, which may lead anywhere.
    if kind in ("write", "truncate") and os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        return
    if kind == "mkdir":
        os.makedirs(path)
    elif kind == "write":
        content = random.Random(op["seed"]).randbytes(op["size"])
        with open(path, "r+b" if os.path.lexists(path) and op["keep"] else "wb") as file:
            file.seek(op["at"])
            file.write(content)
    elif kind == "truncate":
        os.truncate(path, op["size"])
    elif kind == "symlink":
        os.symlink(op["target"].encode("latin-1"), path)
    elif kind == "node":
        kinds = {"fifo": stat.S_IFIFO, "socket": stat.S_IFSOCK, "char": stat.S_IFCHR, "block": stat.S_IFBLK}
        os.mknod(path, kinds[op["type"]] | 0o640, os.makedev(op["major"], op["minor"]))
    elif kind == "link":
        os.link(place(root, op["to"]), path, follow_symlinks=False)
    elif kind == "rename":
        os.rename(place(root, op["to"]), path)
    elif kind == "remove":
        shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    elif kind == "chmod":
        if not os.path.islink(path):
            os.chmod(path, op["mode"])
    elif kind == "chown":
        os.chown(path, op["uid"], op["gid"], follow_symlinks=False)
    elif kind == "utime":
        os.utime(path, ns=(0, int(op["ns"])), follow_symlinks=False)
    elif kind == "setxattr":
        os.setxattr(path, op["name"].encode("latin-1"), base64.b64decode(op["value"]), follow_symlinks=False)
    elif kind == "removexattr":
        os.removexattr(path, op["name"].encode("latin-1"), follow_symlinks=False)
    elif kind == "acl":
        os.setxattr(path, b"system.posix_acl_" + op["which"].encode(), acl(op["entries"]), follow_symlinks=False)


def show(root):
    found, groups = {}, {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            key, status = path[len(root) :].decode("latin-1"), os.lstat(path)
            about = {
                "mode": oct(status.st_mode),
                "owner": [status.st_uid, status.st_gid],
                "mtime": str(status.st_mtime_ns),
                "xattrs": {
                    n: base64.b64encode(os.getxattr(path, n, follow_symlinks=False)).decode()
                    for n in os.listxattr(path, follow_symlinks=False)
                },
            }
            if stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    about["content"] = hashlib.sha256(file.read()).hexdigest()
                about["size"], about["room"] = status.st_size, status.st_blocks
            elif stat.S_ISLNK(status.st_mode):
                about["target"] = os.readlink(path).decode("latin-1")
            elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
                about["device"] = [os.major(status.st_rdev), os.minor(status.st_rdev)]
            if not stat.S_ISDIR(status.st_mode):
                groups.setdefault(status.st_ino, []).append(key)
            found[key] = about
    for names in groups.values():
        for name in names:
            found[name]["names"] = sorted(names)
    return found


root = os.fsencode(sys.argv[2])
if sys.argv[1] == "apply":
    for op in json.load(sys.stdin):
        try:
            apply(root, op)
        except (OSError, ValueError):
            pass
else:
    print(json.dumps(show(root), sort_keys=True))
