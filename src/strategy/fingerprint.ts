/** Fingerprints of OpenPGP keys as people copy them: 40 hex digits, with or without spaces. */

/** How a fingerprint is written, for messages. */
export const FINGERPRINT_FORMS = 'the fingerprint of a signing key: 40 hex digits, spaces allowed';

/** The fingerprint without spaces and in upper case, or undefined when it is none. */
export function parseFingerprint(text: string): string | undefined {
  const digits = text.replaceAll(' ', '').toUpperCase();
  return /^[0-9A-F]{40}$/.test(digits) ? digits : undefined;
}
