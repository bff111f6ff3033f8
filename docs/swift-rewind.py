#!/usr/bin/env python3
"""Brings a Swift container back to how it stood, after somebody has overwritten or deleted what was in it.

It needs python3 (3.9 or newer) alone, and a container that keeps its past: X-History-Location (its history container), or
X-Versions-Enabled. Use the second credential, the one that the backed-up host does not have; first lock the stolen one out.

What you do
  swift-rewind.py --container backups --first             says what it would do, and does nothing
  swift-rewind.py --container backups --first --do        does it
  swift-rewind.py --container backups --at 2026-11-24T02:30 --do
  swift-rewind.py --container backups --first --to backups-safe --do
  swift-rewind.py --container backups --forget-before 90d --do

  --first           every object in the first version that is kept of it. For a store of Holdfast that is the right one: it writes no
                    name twice. What was removed on purpose comes back too, and harms nothing
  --at WHEN         every object as it was then; what came later is removed (and so goes into the past itself).
                    It goes by the server's times, which a POST moves: a thief's may have. --first does not.
                    WHEN is 2026-11-24T02:30 in this machine's time zone, or with a zone (…Z, …+01:00), or an age: 90m, 12h, 3d, 2w
  --to CONTAINER    into another container, which must be there. Nothing is removed or overwritten in it, so this makes safe copies too
  --forget-before   removes for good what was replaced or deleted before then: frees its room. Only the past is touched
  --prefix PREFIX   only objects whose names begin so
  --history NAME    the history container, where the container itself does not say

Where it signs in: OS_STORAGE_URL with OS_AUTH_TOKEN; or OS_AUTH_URL (Keystone v3) with OS_APPLICATION_CREDENTIAL_ID and …_SECRET, or
OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME, and OS_REGION_NAME; or ST_AUTH, ST_USER, ST_KEY. A secret may stand in a file: …_FILE.

Exit codes: 0 done, or can be done; 1 failed; 2 wrong arguments; 4 something cannot be brought back: each object is named.
Doing it again goes on where it stopped.
"""

import argparse
import concurrent.futures
import datetime
import json
import os
import re
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from decimal import Decimal

FAILED, WRONG, LOST = 1, 2, 4
MARKER = "application/x-deleted;swift_versions_deleted=1"
ENTRY = re.compile(r"([0-9a-f]{3})(.+)/([0-9]{10}\.[0-9]{5})(?:_[0-9a-f]{16})?", re.S)
TRIES, STALL_S, AT_ONCE = 5, 60, 8


class Trouble(Exception):
    """What stops the run, in words for whoever runs it."""

    def __init__(self, words, code=FAILED):
        super().__init__(words)
        self.code = code


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token is not carried elsewhere."""

    def redirect_request(self, *_):
        return None


class Swift:
    """An account. Each request is tried again when that may help, and the token renewed once when it has ended."""

    def __init__(self, environment):
        self.environment = environment
        context = ssl.create_default_context(cafile=environment.get("OS_CACERT") or None)
        self.opener = urllib.request.build_opener(
            NoRedirect(), urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        self.token, self.url = self.sign_in()
        refuse_plain(self.url)

    def sign_in(self):
        get = self.environment.get
        if get("OS_STORAGE_URL") and get("OS_AUTH_TOKEN"):
            return get("OS_AUTH_TOKEN"), get("OS_STORAGE_URL").rstrip("/")
        if get("OS_AUTH_URL"):
            return self.keystone()
        if get("ST_AUTH"):
            refuse_plain(get("ST_AUTH"))
            headers = {"X-Auth-User": get("ST_USER", ""), "X-Auth-Key": self.secret("ST_KEY")}
            _, headers, _ = self.raw("GET", get("ST_AUTH"), headers, None, (200, 204), "sign in")
            if not headers["X-Auth-Token"] or not headers["X-Storage-Url"]:
                raise Trouble("what answers at ST_AUTH is no TempAuth: correct the URL", WRONG)
            return headers["X-Auth-Token"], headers["X-Storage-Url"].rstrip("/")
        raise Trouble("no credentials: set OS_AUTH_URL and its companions, or ST_AUTH, ST_USER and ST_KEY", WRONG)

    def keystone(self):
        get = self.environment.get
        url = get("OS_AUTH_URL").rstrip("/")
        refuse_plain(url)
        if not url.endswith("/v3"):
            url += "/v3"
        if get("OS_APPLICATION_CREDENTIAL_ID"):
            credential = {"id": get("OS_APPLICATION_CREDENTIAL_ID"), "secret": self.secret("OS_APPLICATION_CREDENTIAL_SECRET")}
            auth = {"identity": {"methods": ["application_credential"], "application_credential": credential}}
        else:
            user = self.named("OS_USER_ID", "OS_USERNAME", "OS_USER_DOMAIN")
            user["password"] = self.secret("OS_PASSWORD")
            auth = {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": self.named("OS_PROJECT_ID", "OS_PROJECT_NAME", "OS_PROJECT_DOMAIN")},
            }
        body = json.dumps({"auth": auth}).encode()
        kind = {"Content-Type": "application/json"}
        _, headers, answer = self.raw("POST", url + "/auth/tokens", kind, body, (201,), "sign in")
        interface = get("OS_INTERFACE") or "public"
        found = [
            endpoint
            for service in json.loads(answer)["token"]["catalog"]
            if service["type"] == "object-store"
            for endpoint in service["endpoints"]
            if endpoint["interface"] == interface and get("OS_REGION_NAME") in (None, "", endpoint.get("region_id"))
        ]
        if len({endpoint.get("region_id") for endpoint in found}) != 1:
            regions = ", ".join(sorted({str(endpoint.get("region_id")) for endpoint in found})) or "none"
            raise Trouble(f"the object store is in these regions: {regions}; choose one with OS_REGION_NAME", WRONG)
        return headers["X-Subject-Token"], found[0]["url"].rstrip("/")

    def named(self, id_variable, name_variable, domain_variable):
        get = self.environment.get
        if get(id_variable):
            return {"id": get(id_variable)}
        if get(domain_variable + "_NAME"):
            return {"name": get(name_variable, ""), "domain": {"name": get(domain_variable + "_NAME")}}
        return {"name": get(name_variable, ""), "domain": {"id": get(domain_variable + "_ID") or "default"}}

    def secret(self, variable):
        file = self.environment.get(variable + "_FILE")
        if self.environment.get(variable) or not file:
            return self.environment.get(variable, "")
        try:
            with open(file, encoding="utf-8") as opened:
                return opened.readline().rstrip("\r\n")
        except OSError as error:
            raise Trouble(f"{variable}_FILE: cannot read {file}: {error.strerror}", WRONG) from None

    def raw(self, method, url, headers, body, good, what):
        """Status, headers, body of an answer whose status is in `good`."""
        request = urllib.request.Request(url, data=body, headers=headers, method=method)
        for attempt in range(1, TRIES + 1):
            try:
                with self.opener.open(request, timeout=STALL_S) as answer:
                    return answer.status, answer.headers, answer.read()
            except urllib.error.HTTPError as error:
                with error:
                    error.read()
                if error.code in good:
                    return error.code, error.headers, b""
                if attempt == TRIES or (error.code not in (408, 429, 498) and error.code < 500):
                    because = advice(what, error.code)
                    raise Trouble(f"cannot {what}: the server answered {error.code}{because}") from None
            except OSError as error:
                if attempt == TRIES:
                    raise Trouble(f"cannot {what}: {getattr(error, 'reason', error)}") from None
            time.sleep(2 ** (attempt - 1))
        raise AssertionError

    def ask(self, method, path, headers=None, good=(200, 201, 202, 204), query=None):
        """A request about something in the account, named by its path without a slash in front."""
        address = "/" + urllib.parse.quote(path) + ("?" + urllib.parse.urlencode(query) if query else "")
        body = b"" if method in ("PUT", "POST") else None
        what = f"{method} {path}"
        for is_last in (False, True):
            sent = {"X-Auth-Token": self.token, **(headers or {})}
            answer = self.raw(method, self.url + address, sent, body, tuple(good) + (() if is_last else (401,)), what)
            if answer[0] != 401:
                return answer
            self.token, self.url = self.sign_in()
        raise AssertionError

    def listing(self, container, query):
        """All entries of a container, page by page."""
        query = {"format": "json", "limit": "1000", **query}
        while True:
            page = json.loads(self.ask("GET", container, query=query)[2] or b"[]")
            if not page:
                return
            yield from page
            query["marker"] = page[-1]["name"]
            if "version_id" in page[-1]:
                query["version_marker"] = page[-1]["version_id"]


def refuse_plain(url):
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise Trouble(f"{parts.scheme}://{parts.hostname} is not https: whoever is on the way could read the token", WRONG)


def advice(what, status):
    if what == "sign in":
        return ": user, password or credential is wrong, expired or revoked" if status in (401, 403) else ""
    if status in (401, 403):
        return ": this credential may not do that; use the second one, which owns the container"
    return ": it is not there" if status == 404 else ""


class Version:
    """One version of an object. `since` is when it came about; `is_gone` says that the object was deleted then."""

    def __init__(self, since, digest, size, is_gone, source, is_current):
        self.since, self.digest, self.size, self.is_gone = since, digest, size, is_gone
        self.source, self.is_current = source, is_current


def seconds(iso):
    """Of a listing's last_modified, which is in UTC."""
    moment = datetime.datetime.fromisoformat(iso).replace(tzinfo=datetime.timezone.utc)
    whole = moment.replace(microsecond=0)
    return Decimal(int(whole.timestamp())) + Decimal(moment.microsecond) / 1000000


class History:
    """A container whose past is copied into another one (X-History-Location)."""

    def __init__(self, swift, container, history):
        self.swift, self.container, self.history = swift, container, history

    def versions(self, prefix):
        """Versions of each name, oldest first."""
        found = {}
        for item in self.swift.listing(self.container, {"prefix": prefix}):
            version = Version(seconds(item["last_modified"]), item["hash"], item["bytes"], False, None, True)
            found.setdefault(item["name"], []).append(version)
        for item in self.swift.listing(self.history, {}):
            match = ENTRY.fullmatch(item["name"])
            # The past of other containers may lie there too; what does not have the form is nobody's past.
            if not match or int(match[1], 16) != len(match[2].encode()) or not match[2].startswith(prefix):
                continue
            is_gone = item["content_type"] == MARKER and item["bytes"] == 0
            version = Version(Decimal(match[3]), item["hash"], item["bytes"], is_gone, item["name"], False)
            found.setdefault(match[2], []).append(version)
        for versions in found.values():
            # At one moment, a deletion is what came first: an object cannot be deleted before it is there.
            versions.sort(key=lambda version: (version.since, version.is_current))
        return found

    def look(self, name, version):
        """Whether its content can be had, and whether it is going to expire."""
        path = f"{self.container}/{name}" if version.is_current else f"{self.history}/{version.source}"
        status, headers, _ = self.swift.ask("HEAD", path, {"X-Newest": "true"}, good=(200, 404))
        return status == 200, "X-Delete-At" in headers

    def bring(self, name, version, target):
        path = f"{self.container}/{name}" if version.is_current else f"{self.history}/{version.source}"
        copy(self.swift, path, f"{target}/{name}", version)

    def keep(self, name, _):
        self.swift.ask("POST", f"{self.container}/{name}", {"X-Remove-Delete-At": "x"})

    def forget(self, _, version):
        self.swift.ask("DELETE", f"{self.history}/{version.source}", good=(204, 404))


class Versions:
    """A container that keeps its versions itself (X-Versions-Enabled)."""

    def __init__(self, swift, container):
        self.swift, self.container = swift, container

    def versions(self, prefix):
        found = {}
        for item in self.swift.listing(self.container, {"prefix": prefix, "versions": ""}):
            is_gone = item["content_type"] == MARKER and item["bytes"] == 0
            since = seconds(item["last_modified"]) if item["version_id"] == "null" else Decimal(item["version_id"].split("_")[0])
            is_current = item["is_latest"] and not is_gone
            version = Version(since, item["hash"], item["bytes"], is_gone, item["version_id"], is_current)
            found.setdefault(item["name"], []).append(version)
        for versions in found.values():
            versions.sort(key=lambda version: version.since)
        return found

    def look(self, name, version):
        path = f"{self.container}/{name}"

        def head(query):
            status, headers, _ = self.swift.ask("HEAD", path, {"X-Newest": "true"}, good=(200, 404), query=query)
            return status == 200, "X-Delete-At" in headers

        is_there, expires = head({"version-id": version.source})
        if version.is_current and is_there:
            # The name is a link to its version, and may expire, or have expired, without that.
            is_named, name_expires = head({"symlink": "get"})
            expires = expires or name_expires or not is_named
        return is_there, expires

    def bring(self, name, version, target):
        path = f"{self.container}/{name}"
        if target == self.container:
            # Nothing is copied: the name is made to stand for that version again.
            self.swift.ask("PUT", path, query={"version-id": version.source})
        else:
            copy(self.swift, path, f"{target}/{name}", version, f"?version-id={version.source}")

    keep = bring

    def forget(self, name, version):
        self.swift.ask("DELETE", f"{self.container}/{name}", good=(204, 404), query={"version-id": version.source})


def copy(swift, source, target, version, which=""):
    """On the server. Without the metadata of the source: an expiry in it would be copied too."""
    headers = {
        "X-Copy-From": "/" + urllib.parse.quote(source) + which,
        "X-Fresh-Metadata": "true",
        # That of the source may be one with which nothing can be stored.
        "Content-Type": "application/octet-stream",
    }
    _, answer, _ = swift.ask("PUT", target, headers)
    if answer["Etag"].strip('"') != version.digest:
        raise Trouble(f"{target} did not become what it was: {answer['Etag']} instead of {version.digest}")


def wanted(versions, at):
    """The version that is to be there again, or None: as of `at`, or the first where that is None. Pure."""
    if at is None:
        return next((version for version in versions if not version.is_gone), None)
    before = [version for version in versions if version.since <= at]
    return before[-1] if before and not before[-1].is_gone else None


def forgettable(versions, before):
    """Versions of the past that were replaced or deleted before then. Pure."""
    past = []
    for version, following in zip(versions, versions[1:]):
        if following.since < before and not version.is_current:
            past.append(version)
    last = versions[-1]
    # What says that an object was deleted is of use only while there is an older version to be told apart from.
    if last.is_gone and last.since < before and len(past) == len(versions) - 1:
        past.append(last)
    return past


def moment(text):
    age = re.fullmatch(r"([0-9]+)([mhdw])", text)
    if age:
        unit = {"m": 60, "h": 3600, "d": 86400, "w": 604800}[age[2]]
        return Decimal(int(time.time())) - int(age[1]) * unit
    try:
        return Decimal(int(datetime.datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text)).timestamp()))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no time: write 2026-11-24T02:30, or an age such as 3d") from None


def shown(name):
    return json.dumps(name, ensure_ascii=False) if re.search(r"[\x00-\x1f\x7f-\x9f]", name) else name


def in_parallel(work, items):
    """Results in the order of the items; the first trouble ends it."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            raise


def past_of(swift, container, history):
    _, headers, _ = swift.ask("HEAD", container)
    history = history or urllib.parse.unquote(headers.get("X-History-Location") or "")
    if history:
        return History(swift, container, history)
    if headers.get("X-Versions-Enabled"):
        return Versions(swift, container)
    raise Trouble(f"{container} keeps no past: neither X-History-Location nor X-Versions-Enabled is set (was it? then name --history)")


def rewind(swift, options):
    past = past_of(swift, options.container, options.history)
    found = past.versions(options.prefix)
    target = options.to or options.container
    there = {}
    if options.to:
        there = {item["name"]: item["hash"] for item in swift.listing(options.to, {"prefix": options.prefix})}
    bring, kept, other, remove = [], [], [], []
    for name, versions in found.items():
        version = wanted(versions, options.at)
        current = next((one for one in versions if one.is_current), None)
        if options.to:
            if version and name not in there:
                bring.append((name, version))
            elif version and there[name] != version.digest:
                other.append(name)
        elif version is None:
            if current:
                remove.append(name)
        elif current and current.digest == version.digest:
            kept.append((name, current))
        else:
            bring.append((name, version))
    looked = dict(zip([name for name, _ in bring], in_parallel(lambda pair: past.look(*pair), bring)))
    lost = [name for name, (is_there, _) in looked.items() if not is_there]
    bring = [(name, version) for name, version in bring if looked[name][0]]
    held = in_parallel(lambda pair: past.look(*pair), kept)
    # A listing may still show what has expired already.
    lost += [name for (name, _), (is_there, _) in zip(kept, held) if not is_there]
    expiring = [pair for pair, (is_there, expires) in zip(kept, held) if is_there and expires]
    # A commit makes a point exist: it comes back after what it speaks of.
    bring.sort(key=lambda pair: ("/commits/" in f"/{pair[0]}", pair[0]))

    size = sum(version.size for _, version in bring)
    print(f"{'Doing' if options.do else 'Would do'} this in {target}:")
    print(f"  bring back       {len(bring)} objects, {size} bytes")
    print(f"  remove           {len(remove)} objects that were not there then")
    print(f"  keep             {len(kept)} objects as they are, {len(expiring)} of them by taking away an expiry date")
    for name in lost:
        print(f"LOST: {shown(name)}: its content has expired or was removed, and cannot be brought back", file=sys.stderr)
    for name in other:
        print(f"OTHER: {shown(name)}: lies in {target} with other content, and is left as it is", file=sys.stderr)
    if not options.do:
        print("Nothing was done. Add --do to do it.")
    else:
        commits = [pair for pair in bring if "/commits/" in f"/{pair[0]}"]
        in_parallel(lambda pair: past.keep(*((*pair, target) if isinstance(past, Versions) else pair)), expiring)
        in_parallel(lambda pair: past.bring(*pair, target), bring[: len(bring) - len(commits)])
        in_parallel(lambda pair: past.bring(*pair, target), commits)
        in_parallel(lambda name: swift.ask("DELETE", f"{target}/{name}", good=(204, 404)), remove)
        print("Done.")
    return LOST if lost or other else 0


def forget(swift, options):
    past = past_of(swift, options.container, options.history)
    found = past.versions(options.prefix)
    old = [(name, version) for name, versions in found.items() for version in forgettable(versions, options.forget_before)]
    size = sum(version.size for _, version in old)
    print(f"{'Removing' if options.do else 'Would remove'} for good {len(old)} versions of the past, {size} bytes.")
    if options.do:
        in_parallel(lambda pair: past.forget(*pair), old)
        print("Done.")
    else:
        print("Nothing was done. Add --do to do it.")
    return 0


def arguments(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--container", required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--first", action="store_true")
    what.add_argument("--at", type=moment, metavar="WHEN")
    what.add_argument("--forget-before", type=moment, metavar="WHEN")
    parser.add_argument("--to", metavar="CONTAINER")
    parser.add_argument("--prefix", default="")
    parser.add_argument("--history", metavar="NAME")
    parser.add_argument("--do", action="store_true")
    options = parser.parse_args(words)
    if options.to is not None and (options.forget_before is not None or options.to == options.container):
        parser.error("--to names another container than --container, and does not go with --forget-before")
    return options


def main(words):
    options = arguments(words)
    try:
        swift = Swift(os.environ)
        return forget(swift, options) if options.forget_before is not None else rewind(swift, options)
    except Trouble as trouble:
        print(f"swift-rewind: {trouble}", file=sys.stderr)
        return trouble.code
    except (ValueError, LookupError) as error:
        print(f"swift-rewind: the answer is not Swift's or Keystone's ({error}); does a proxy stand between?", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("swift-rewind: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
