/** The strategy that `holdfast config example` prints. */

/** A commented strategy, accepted as it stands. A `#` that is followed by one space begins prose; any other stands before a further key. */
export const EXAMPLE = `# Strategy of Holdfast: what to back up, where to, for whom encrypted.
# Relative paths start from the folder of this file.
# "holdfast config check" checks it and names everything that is wrong.

# Name of this strategy; the names of its objects in the store begin with it.
name: townhall-web

# What to back up: one or several named parts.
sources:
  - name: www
    # Absolute paths of files and folders; none may lie inside another.
    paths:
      - /srv/www
      - /etc/nginx
    # What to leave out, in the syntax of .gitignore. Patterns with * must be in quotes.
    exclude:
      - "*.tmp"
      - /srv/www/cache/
    # What to take back in of that.
#    include: [/srv/www/cache/keep/]
    # Leave out what lies beside a file of this name; what a CACHEDIR.TAG calls a cache; large files.
#    excludeIfPresent: [.nobackup]
#    excludeCaches: true
#    excludeLargerThan: 1GiB
    # Back up what is mounted inside the paths, too.
#    oneFileSystem: false
  - name: uploads
    paths: [/srv/uploads]
    # Whether it is right that this is empty; otherwise an empty folder counts as not mounted.
    allowEmpty: true

# Where to: a folder, which must exist.
store:
  directory: /var/backups/holdfast
  # Put before the names of all objects.
#  prefix: web01

# The OpenPGP public keys for which everything is encrypted. Each of them alone can restore.
# Keep the secret keys on other machines: "holdfast keygen" makes a pair.
recipients:
  - it-staff.asc
  - escrow.asc

# When a backup is to be a full: daily, weekly, monthly, never, or after a time such as 10d.
schedule:
  full: weekly

# Whose points a restore accepts: the fingerprint that "holdfast init" prints.
#signer: "5F3A 9C20 1B7E 44D8 6A0C  91EE 27B3 D05C 8F16 E2A4"

# Which points to keep; without this all are kept.
#retention:
#  points: 30d
#  weekly: 8
#  monthly: 12
#  minimumChains: 2

# What is promised: how old the newest point may become, how long a restore may take.
#objectives:
#  rpo: 26h
#  rto: 4h

# How content is packed. These are the defaults.
#volume:
#  size: 32MiB
#  compression: 3
`;
