/** The shape of a strategy as it is written: every key with what it means, an example and its default. */

import { z } from 'zod';
import {
  commandLine,
  containerName,
  duration,
  excludePattern,
  fileName,
  fingerprints,
  includePattern,
  line,
  localPath,
  nameOf,
  objectPrefix,
  period,
  rate,
  size,
  sourcePath,
  timeOfDay,
} from './fields.ts';

const DAY = 24 * 60 * 60 * 1000;
const KIB = 1024;
const MIB = 1024 * KIB;

const NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$';

const source = z
  .strictObject({
    name: nameOf('source').meta({
      description: 'Name of the source, unique in the strategy.',
      examples: ['www'],
      pattern: NAME_PATTERN,
    }),
    paths: z
      .array(sourcePath())
      .min(1)
      .optional()
      .meta({
        description: 'Absolute paths of the files and folders to back up; none may lie inside another.',
        examples: [['/srv/www', '/etc/nginx']],
      }),
    exclude: z
      .array(excludePattern())
      .min(1)
      .optional()
      .meta({
        description: "What to leave out: patterns in gitignore's syntax, read against the absolute path.",
        examples: [['*.tmp', '/srv/www/cache/']],
      }),
    include: z
      .array(includePattern())
      .min(1)
      .optional()
      .meta({
        description:
          'What to take back in of that which is left out: patterns like those of exclude, which are read before these.',
        examples: [['/srv/www/cache/keep/']],
      }),
    excludeIfPresent: z
      .array(fileName())
      .min(1)
      .optional()
      .meta({
        description: 'Names of marker files: where one lies in a folder, all else in the folder is left out.',
        examples: [['.nobackup']],
      }),
    excludeCaches: z
      .boolean()
      .default(false)
      .meta({
        description: 'Whether a CACHEDIR.TAG with its signature leaves out all else in its folder.',
        examples: [true],
      }),
    oneFileSystem: z
      .boolean()
      .default(true)
      .meta({
        description:
          'Whether what is mounted inside a path is left out; with false it is backed up too, but for what the kernel makes up (proc, sys).',
        examples: [false],
      }),
    excludeLargerThan: size(1, Number.MAX_SAFE_INTEGER)
      .optional()
      .meta({
        description: 'Files larger than this are left out.',
        examples: ['1GiB'],
      }),
    allowEmpty: z
      .boolean()
      .default(false)
      .meta({
        description:
          'Whether it is right that a path of this source, or a mount point below it, is empty; otherwise a folder that was full and is suddenly empty counts as not mounted.',
        examples: [true],
      }),
    command: commandLine()
      .optional()
      .meta({
        description:
          'A command whose output is kept as one file with the name of the source; instead of paths.',
        examples: ['pg_dump --format=custom orders'],
      }),
  })
  .meta({
    description: 'One named part of what is backed up: either paths or a command.',
    oneOf: [{ required: ['paths'] }, { required: ['command'] }],
  });

const swift = z.strictObject({
  container: containerName().meta({
    description: 'Container that holds the backups; "holdfast init" makes it where it is not there.',
    examples: ['backups'],
  }),
  prefix: objectPrefix()
    .optional()
    .meta({
      description: 'Put before the names of all objects, so that several hosts can share a container.',
      examples: ['web01'],
    }),
  cloud: line()
    .optional()
    .meta({
      description:
        'Name of the cloud in clouds.yaml; without it OS_CLOUD, the OS_* or the ST_* variables are used.',
      examples: ['townhall'],
    }),
  credentialsFile: localPath()
    .optional()
    .meta({
      description:
        'A clouds.yaml, or a file of OS_* or ST_* variables, to use instead of those in the usual places.',
      examples: ['/etc/holdfast/clouds.yaml'],
    }),
  region: line()
    .optional()
    .meta({
      description: 'Region of the object store; needed where the cloud has several.',
      examples: ['fra'],
    }),
  interface: z
    .enum(['public', 'internal', 'admin'])
    .optional()
    .meta({
      description:
        "Which of the cloud's endpoints to use: public, internal or admin; without it as the credentials have it, else public.",
      examples: ['internal'],
    }),
  caFile: localPath()
    .optional()
    .meta({
      description:
        'Certificates (PEM) of the authorities to trust for the cloud, instead of those of the system.',
      examples: ['/etc/ssl/certs/townhall-ca.pem'],
    }),
  insecure: z
    .boolean()
    .optional()
    .meta({
      description:
        "Whether to go on without checking the cloud's certificate, or over plain http; without it as the credentials have it, else no. For tests only.",
      examples: [true],
    }),
  allowedRegions: z
    .array(line())
    .min(1)
    .optional()
    .meta({
      description: 'The only regions in which backups may be stored; any other is refused.',
      examples: [['fra', 'ber']],
    }),
  uploads: z
    .int()
    .min(1)
    .max(32)
    .default(4)
    .meta({
      description: 'How many objects are sent at once.',
      examples: [8],
    }),
  deadline: duration(1000, 'must be at least one second')
    .default('3m')
    .meta({
      description:
        'For how long a request that fails is tried again before the run gives up; time in which data moves is not counted.',
      examples: ['10m'],
    }),
});

const store = z.strictObject({
  swift: swift.optional().meta({
    description: 'A container of an OpenStack Swift object store.',
    examples: [{ cloud: 'townhall', container: 'backups', prefix: 'web01' }],
  }),
  directory: localPath()
    .optional()
    .meta({
      description: 'A folder, absolute or relative to the strategy file. It must exist.',
      examples: ['/var/backups/holdfast'],
    }),
  prefix: objectPrefix()
    .optional()
    .meta({
      description: 'Put before the names of all objects in the folder.',
      examples: ['web01'],
    }),
});

const schedule = z.strictObject({
  full: period()
    .default('weekly')
    .meta({
      description:
        'When the next backup is to be a full: daily, weekly, monthly, never, or after a duration.',
      examples: ['monthly', '10d'],
    }),
  incremental: period()
    .optional()
    .meta({
      description: 'How often a backup is to be made between two fulls.',
      examples: ['daily', '4h'],
    }),
  at: timeOfDay()
    .optional()
    .meta({
      description: 'Local time of day at which backups are to begin.',
      examples: ['02:30'],
      pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$',
    }),
});

const retention = z.strictObject({
  points: duration(DAY, 'must be at least one day (30d are thirty days; 30m are thirty minutes)')
    .optional()
    .meta({ description: 'How long every point is kept.', examples: ['30d'] }),
  weekly: z
    .int()
    .min(0)
    .max(10_000)
    .default(0)
    .meta({
      description: 'For how many weeks one point of each is kept.',
      examples: [8],
    }),
  monthly: z
    .int()
    .min(0)
    .max(10_000)
    .default(0)
    .meta({
      description: 'For how many months one point of each is kept.',
      examples: [12],
    }),
  yearly: z
    .int()
    .min(0)
    .max(1000)
    .default(0)
    .meta({
      description: 'For how many years one point of each is kept.',
      examples: [5],
    }),
  minimumChains: z
    .int()
    .min(1)
    .max(1000)
    .default(2)
    .meta({
      description: 'How many chains are kept whatever their age.',
      examples: [3],
    }),
});

const limits = z.strictObject({
  size: size(MIB, Number.MAX_SAFE_INTEGER)
    .optional()
    .meta({
      description: 'The most that this strategy may occupy in the store.',
      examples: ['200GiB'],
    }),
  upload: rate()
    .optional()
    .meta({
      description: 'The most that is sent to the store, in bytes a second.',
      examples: ['20MiB/s'],
    }),
});

const objectives = z.strictObject({
  rpo: duration()
    .optional()
    .meta({
      description: 'Recovery point objective: how old the newest point may become.',
      examples: ['26h'],
    }),
  rto: duration()
    .optional()
    .meta({
      description: 'Recovery time objective: how long a restore may take.',
      examples: ['4h'],
    }),
});

const volume = z.strictObject({
  size: size(64 * KIB, 256 * MIB)
    .default('32MiB')
    .meta({
      description: 'Size of the encrypted volumes, the objects that hold the content.',
      examples: ['64MiB'],
    }),
  compression: z
    .int()
    .min(1)
    .max(19)
    .default(3)
    .meta({
      description: 'Level of zstd: 1 is fastest, 19 is smallest.',
      examples: [9],
    }),
});

/** A strategy as written. Agreement between keys is checked in agreement.ts. */
export const strategySchema = z.strictObject({
  name: nameOf('strategy').meta({
    description: 'Name of the strategy; the names of its objects in the store begin with it.',
    examples: ['townhall-web'],
    pattern: NAME_PATTERN,
  }),
  sources: z
    .array(source)
    .min(1)
    .meta({
      description: 'What to back up.',
      examples: [[{ name: 'www', paths: ['/srv/www'] }]],
    }),
  store: store.meta({
    description: 'Where to: either a Swift container or a folder.',
    examples: [{ directory: '/var/backups/holdfast' }],
    oneOf: [{ required: ['swift'], not: { required: ['prefix'] } }, { required: ['directory'] }],
  }),
  recipients: z
    .array(localPath())
    .min(1)
    .meta({
      description:
        'Files with the OpenPGP public keys for which everything is encrypted; each of them alone can restore.',
      examples: [['it-staff.asc', 'escrow.asc']],
    }),
  schedule: schedule.prefault({}).meta({
    description: 'When to back up.',
    examples: [{ full: 'weekly', incremental: 'daily', at: '02:30' }],
  }),
  retention: retention.optional().meta({
    description: 'Which points to keep; without it all are kept.',
    examples: [{ points: '30d', weekly: 8, monthly: 12, minimumChains: 2 }],
  }),
  limits: limits.optional().meta({
    description: 'What a backup may use at most.',
    examples: [{ size: '200GiB', upload: '20MiB/s' }],
  }),
  objectives: objectives.optional().meta({
    description: 'What is promised to the users of the host.',
    examples: [{ rpo: '26h', rto: '4h' }],
  }),
  signer: fingerprints()
    .optional()
    .meta({
      description:
        'Fingerprint of the signing key whose points a restore accepts, or a list of them; "holdfast init" prints it.',
      examples: ['5F3A 9C20 1B7E 44D8 6A0C  91EE 27B3 D05C 8F16 E2A4'],
    }),
  volume: volume.prefault({}).meta({
    description: 'How content is packed. The defaults suit most.',
    examples: [{ size: '64MiB', compression: 9 }],
  }),
});

/** A strategy as written, when the schema finds nothing wrong with it. */
export type WrittenStrategy = z.output<typeof strategySchema>;

/** The JSON Schema (draft 2020-12) of the strategy file, for editors and other tools. */
export function strategyJsonSchema(): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(strategySchema, { io: 'input' });
  return { $schema, title: 'Strategy of Holdfast', ...rest };
}
