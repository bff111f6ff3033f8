/** Kinds of values that a strategy is made of, as zod schemas of the written form; nothing is converted here. */

import { z } from 'zod';
import { faultOfInclude, faultOfPattern } from '../select/faults.ts';
import { DURATION_FORMS, parseDuration } from './duration.ts';
import { FINGERPRINT_FORMS, parseFingerprint } from './fingerprint.ts';
import { PERIOD_FORMS, parsePeriod } from './period.ts';
import { parseRate, RATE_FORMS } from './rate.ts';
import { formatSize, parseSize, SIZE_FORMS } from './size.ts';
import { faultOfSourcePath } from './source-path.ts';

const MINUTE = 60 * 1000;
/** What has no form in UTF-8, and so none in a URL: half of a pair of surrogates, which YAML can write as "\ud800". */
const BROKEN = 'must not contain half a character (a lone surrogate)';

/** A schema's own words for a value of the wrong kind. What is missing or empty is said in issues.ts. */
function saying(message: string) {
  return { error: (issue: { input?: unknown }) => (issue.input == null ? undefined : message) };
}

/** Text in which `fault` finds nothing wrong; `fault` says in words what is. */
function checkedText(fault: (text: string) => string | undefined, wrongKind?: string) {
  return z.string(wrongKind === undefined ? undefined : saying(wrongKind)).superRefine((text, context) => {
    const message = text === '' ? 'must not be empty' : fault(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
}

/** The name of the strategy or of a source: safe as a component of object names and of paths. */
export function nameOf(what: string) {
  return checkedText((text) =>
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)
      ? undefined
      : `the name of a ${what} is 1 to 64 letters, digits, dots, hyphens and underscores, beginning with a letter or digit`,
  );
}

/** Any text on one line. */
export function line() {
  return checkedText((text) =>
    /[\x00-\x1f\x7f]/.test(text) ? 'must be on one line, without control characters' : undefined,
  );
}

/** A command for the shell: any text that is more than blanks. */
export function commandLine() {
  return checkedText((text) => {
    if (text.trim() === '') return 'must not be empty';
    return text.includes('\0') ? 'must not contain a NUL character' : undefined;
  });
}

/** The path of a file or folder, absolute or relative to the folder of the strategy. */
export function localPath() {
  return checkedText((text) => {
    if (text.includes('\0')) return 'must not contain a NUL character';
    if (text.startsWith('~')) return '"~" is not replaced by a home folder: write the whole path';
    return undefined;
  });
}

/** The absolute path of a file or folder to back up. */
export function sourcePath() {
  return checkedText(faultOfSourcePath);
}

/** A pattern in gitignore's syntax. */
export function excludePattern() {
  return checkedText(faultOfPattern);
}

/** The same, for what is taken back in. */
export function includePattern() {
  return checkedText(faultOfInclude);
}

/** The name of a file that may lie in any folder. */
export function fileName() {
  return checkedText((text) => {
    if (text.includes('/')) return 'must be the name of a file, without "/"';
    if (text === '.' || text === '..') return 'must be the name of a file';
    if (/[\x00-\x1f\x7f]/.test(text)) return 'must not contain control characters';
    return Buffer.byteLength(text) > 255 ? 'must be at most 255 bytes long' : undefined;
  });
}

/** The container of a Swift store. */
export function containerName() {
  return checkedText(faultOfContainer);
}

/** What is wrong with the name of a container. */
export function faultOfContainer(text: string): string | undefined {
  if (text.includes('/')) return 'must not contain "/": what comes after the container is the prefix';
  if (/[\x00-\x1f\x7f]/.test(text)) return 'must not contain control characters';
  if (text === '.' || text === '..') return 'must not be "." or ".."';
  if (!text.isWellFormed()) return BROKEN;
  return Buffer.byteLength(text) > 256 ? 'must be at most 256 bytes long' : undefined;
}

/** Components joined by `/`, put before the names of all objects. */
export function objectPrefix() {
  return checkedText(faultOfPrefix);
}

/** What is wrong with a prefix. */
export function faultOfPrefix(text: string): string | undefined {
  const parts = text.replace(/\/+$/, '').split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) {
    return 'must be names joined by "/", with no "/" in front and without "." and ".."';
  }
  if (/[\x00-\x1f\x7f]/.test(text)) return 'must not contain control characters';
  if (!text.isWellFormed()) return BROKEN;
  return text.length > 256 ? 'must be at most 256 characters long' : undefined;
}

/** A duration of at least `least` milliseconds; `tooShort` says so in words. */
export function duration(least = MINUTE, tooShort = 'must be at least one minute') {
  const form = `must be ${DURATION_FORMS}`;
  return checkedText((text) => {
    const length = parseDuration(text);
    if (length === undefined) return form;
    return length < least ? tooShort : undefined;
  }, form);
}

/** How often something is to happen. */
export function period() {
  const form = `must be ${PERIOD_FORMS}`;
  return checkedText((text) => {
    const parsed = parsePeriod(text);
    if (parsed === undefined) return form;
    return parsed.kind === 'every' && parsed.length < MINUTE ? 'must be at least one minute' : undefined;
  }, form);
}

/** A time of day. */
export function timeOfDay() {
  const form = 'must be a time of day from "00:00" to "23:59", in quotes, such as "02:30"';
  return checkedText((text) => (/^([01]\d|2[0-3]):[0-5]\d$/.test(text) ? undefined : form), form);
}

/** An amount of bytes from `least` to `most`. */
export function size(least: number, most: number) {
  const form = `must be ${SIZE_FORMS}`;
  return z.union([z.string(), z.number()], saying(form)).superRefine((written, context) => {
    const bytes = parseSize(written);
    let message: string | undefined;
    if (bytes === undefined) message = form;
    else if (bytes < least) message = `must be at least ${formatSize(least)}`;
    else if (bytes > most) message = `must be at most ${formatSize(most)}`;
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
}

/** A rate of at least 1 kB/s. */
export function rate() {
  const form = `must be ${RATE_FORMS}`;
  return checkedText((text) => {
    const bytes = parseRate(text);
    if (bytes === undefined) return form;
    return bytes < 1000 ? 'must be at least 1kB/s' : undefined;
  }, form);
}

/** One fingerprint, or a list of them. */
export function fingerprints() {
  const form = `must be ${FINGERPRINT_FORMS} (in quotes), or a list of them`;
  return z.union([z.string(), z.array(z.string()).min(1)], saying(form)).superRefine((written, context) => {
    for (const [place, text] of [written].flat().entries()) {
      if (parseFingerprint(text) !== undefined) continue;
      const path = typeof written === 'string' ? [] : [place];
      context.addIssue({ code: 'custom', path, message: `must be ${FINGERPRINT_FORMS}` });
    }
  });
}
