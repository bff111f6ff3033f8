/** Why a path is in the points of a strategy, or is not: which source, and which rule decides. Looks at the disk, and reads no store. */
import { fromText } from './format/bytes.ts';
import { isWithin } from './format/order.ts';
import type { ByteString } from './model.ts';
import type { Rule } from './select/patterns.ts';
import { type Explained, explain, type Reason } from './source/explain.ts';
import { selection } from './source/select.ts';
import type { Position } from './strategy/problem.ts';
import type { Strategy } from './strategy/strategy.ts';

/** A rule of the strategy, and where it stands. */
export interface PlacedRule {
  /** Such as `sources[0].exclude[1]`. */
  key: string;
  /** What stands there, for a pattern. */
  pattern?: string;
  /** Undefined where it is a default, which stands nowhere. */
  position: Position | undefined;
}

/** What becomes of a path. */
export interface Why {
  path: ByteString;
  exists: boolean;
  backedUp: boolean;
  /** It is a folder that is backed up itself, but what is in it is not: that is what `reason` and `rule` are about. */
  isOnlyItself: boolean;
  /** The source that it belongs to, and the path of it; undefined for none. */
  source: { name: string; root: string; rule: PlacedRule } | undefined;
  /** Undefined without a source. */
  reason: Reason | undefined;
  /** The rule that decides, besides the source's path. */
  rule: PlacedRule | undefined;
}

/** Explains an absolute path without `.` and `..`. `own`: Holdfast's own folders, as `device:inode`. */
export function why(
  strategy: Strategy,
  path: ByteString,
  own: ReadonlySet<string>,
  isThere: (path: ByteString) => boolean,
  asFolder: boolean,
): Why {
  for (const [i, source] of strategy.sources.entries()) {
    if (source.kind !== 'paths') continue;
    const j = source.paths.findIndex((root) => isWithin(path, fromText(root)));
    const root = source.paths[j];
    if (root === undefined) continue;
    const selected = selection(source);
    const explained = explain(fromText(root), path, { selection: selected, own, asFolder });
    const { reason, exists } = explained;
    const place = (key: string) => placed(strategy, `sources[${i}].${key}`);
    return {
      path,
      exists,
      backedUp: reason.kind === 'backed-up',
      isOnlyItself: explained.isOnlyItself ?? false,
      source: { name: source.name, root, rule: place(`paths[${j}]`) },
      reason,
      rule: ruleOf(explained, selected.patterns.rules, source.excludeIfPresent ?? [], place),
    };
  }
  return {
    path,
    exists: isThere(path),
    backedUp: false,
    isOnlyItself: false,
    source: undefined,
    reason: undefined,
    rule: undefined,
  };
}

function ruleOf(
  { reason }: Explained,
  rules: readonly Rule[],
  markers: readonly string[],
  place: (key: string) => PlacedRule,
): PlacedRule | undefined {
  switch (reason.kind) {
    case 'backed-up':
    case 'pattern': {
      const rule = rules[reason.rule];
      if (rule === undefined) return undefined;
      return { ...place(`${rule.list}[${rule.place}]`), pattern: rule.pattern };
    }
    case 'marker': {
      const listed = markers.findIndex((name) => fromText(name) === reason.marker);
      return listed < 0 ? place('excludeCaches') : place(`excludeIfPresent[${listed}]`);
    }
    case 'size':
      return place('excludeLargerThan');
    case 'mount':
      return reason.isKernelMade ? undefined : place('oneFileSystem');
    default:
      return undefined;
  }
}

function placed({ positions }: Strategy, key: string): PlacedRule {
  return { key, position: positions.get(key) };
}
