/** Strategy texts that several tests start from. Together they hold every key there is, one on each line. */

/** Every key of a strategy of paths on a directory store. */
export const WITH_PATHS = `name: townhall-web
sources:
  - name: www
    paths:
      - /srv/www
      - /etc/nginx
    exclude:
      - "*.tmp"
      - /srv/www/cache/
    include:
      - /srv/www/cache/keep/
    excludeIfPresent:
      - .nobackup
    excludeCaches: true
    oneFileSystem: false
    excludeLargerThan: 1GiB
    allowEmpty: true
store:
  directory: ../store
  prefix: web01
recipients:
  - it-staff.asc
  - /etc/holdfast/escrow.asc
schedule:
  full: monthly
  incremental: daily
  at: "02:30"
retention:
  points: 30d
  weekly: 8
  monthly: 12
  yearly: 5
  minimumChains: 3
limits:
  size: 200GiB
  upload: 20MiB/s
objectives:
  rpo: 26h
  rto: 4h
signer: "5f3a 9c20 1b7e 44d8 6a0c  91ee 27b3 d05c 8f16 e2a4"
volume:
  size: 64MiB
  compression: 9
`;

/** Every further key of a strategy of a command on a Swift store. */
export const WITH_COMMAND = `name: townhall-orders
sources:
  - name: orders
    command: pg_dump --format=custom orders
store:
  swift:
    container: backups
    prefix: a/b/
    cloud: townhall
    credentialsFile: clouds.yaml
    region: fra
    interface: internal
    caFile: /etc/ssl/ca.pem
    insecure: true
    allowedRegions:
      - fra
    uploads: 8
    deadline: 10m
recipients:
  - it-staff.asc
`;

/** The least that is a strategy. */
export const SMALLEST = `name: small
sources: [{ name: etc, paths: [/etc] }]
store: { directory: /store }
recipients: [a.asc]
`;
