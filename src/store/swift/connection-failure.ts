/** What a failed connection means: something that may pass, or something that somebody has to put right. */

import { HoldfastError, systemCode } from '../../errors.ts';
import { Transient } from './failure.ts';

/** The network or the server may be back when it is tried again. */
const PASSING: Record<string, string> = {
  ECONNREFUSED: 'the connection was refused; is the server running, and is the port right?',
  ECONNRESET: 'the connection was cut off',
  ECONNABORTED: 'the connection was cut off',
  EPIPE: 'the connection was cut off',
  ENETRESET: 'the connection was cut off',
  ERR_STREAM_PREMATURE_CLOSE: 'the connection was cut off',
  ETIMEDOUT: 'there was no answer in time',
  ESOCKETTIMEDOUT: 'there was no answer in time',
  EHOSTUNREACH: 'the host cannot be reached',
  EHOSTDOWN: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ENETDOWN: 'the network is down',
  EADDRNOTAVAIL: 'this machine has no address or port left for the connection',
  ENOTFOUND: 'the name of the host is not known; check its spelling and the DNS of this machine',
  EAI_AGAIN: 'the name of the host could not be looked up; check the DNS of this machine',
  EAI_FAIL: 'the name of the host could not be looked up; check the DNS of this machine',
  EAI_NODATA: 'the name of the host has no address; check the DNS of this machine',
};

/** OpenSSL's names of what is wrong with a certificate (openssl-verification-options(1)), as far as one can say what to do. */
const CERTIFICATE: Record<string, string> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'its authority is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT: 'its authority is not known here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its authority is not known here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its authority is not known here, or the server leaves out a certificate in between',
};

const TRUST =
  'give the certificate of the right authority with store.swift.caFile, OS_CACERT, or cacert in clouds.yaml';

/** Certificates with which giving another authority would not help. */
const UNFIT: Record<string, string> = {
  CERT_HAS_EXPIRED:
    'has expired (or the clock of this machine is wrong): whoever runs the server must renew it',
  CERT_NOT_YET_VALID: 'is not valid yet: check the clock of this machine',
  CERT_REVOKED: 'was revoked: whoever runs the server must renew it',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'is for another name: use the name of the server that stands in it, or ask whoever runs the server',
  HOSTNAME_MISMATCH:
    'is for another name: use the name of the server that stands in it, or ask whoever runs the server',
};

/** OpenSSL's words for keys and digests that its security level (2) does not let pass: less than RSA's 2,048 bits, MD5, SHA-1. */
const WEAK = /too (weak|small)/;

const OTHER_CERTIFICATE = new Set([
  'CERT_CHAIN_TOO_LONG',
  'CERT_REJECTED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'CRL_HAS_EXPIRED',
  'CRL_NOT_YET_VALID',
  'CRL_SIGNATURE_FAILURE',
  'ERROR_IN_CERT_NOT_AFTER_FIELD',
  'ERROR_IN_CERT_NOT_BEFORE_FIELD',
  'ERROR_IN_CRL_LAST_UPDATE_FIELD',
  'ERROR_IN_CRL_NEXT_UPDATE_FIELD',
  'ERR_TLS_CERT_ALTNAME_FORMAT',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
  'UNABLE_TO_DECRYPT_CRL_SIGNATURE',
  'UNABLE_TO_GET_CRL',
]);

/** Node's name for all that it has no name for: the reason stands in the message alone, in OpenSSL's words (X509_verify_cert_error_string(3)). */
const UNNAMED = 'UNSPECIFIED';

/** Trouble of TLS that another try does not mend. Any other is taken for a fault on the way. */
const TLS: Record<string, string> = {
  ERR_SSL_WRONG_VERSION_NUMBER:
    'the server does not speak TLS there; is the port right, or is it plain http?',
  ERR_SSL_PACKET_LENGTH_TOO_LONG:
    'the server does not speak TLS there; is the port right, or is it plain http?',
  ERR_SSL_HTTP_REQUEST: 'the server does not speak TLS there; is the port right, or is it plain http?',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION:
    'the server knows only TLS older than 1.2, which is not safe any more',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'the server knows only TLS older than 1.2, which is not safe any more',
  ERR_SSL_DH_KEY_TOO_SMALL: 'the server uses keys that are too short to be safe',
  ERR_SSL_EE_KEY_TOO_SMALL: 'the server uses keys that are too short to be safe',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    'the server wants a certificate of the client, which is not supported',
};

/**
 * What a connection error of Node means; `what` says what was tried, such as "sign-in at https://…". A Transient or
 * HoldfastError is returned as it is. Throws anything that is no failure of a connection: it is a defect.
 */
export function connectionFailure(error: unknown, what: string): Transient | HoldfastError {
  if (error instanceof Transient || error instanceof HoldfastError) return error;
  const code = tlsCode(error) ?? systemCode(error);
  if (code === undefined) throw error;
  const final = (message: string) => new HoldfastError('store', `${what}: ${message}`, { cause: error });
  if (Object.hasOwn(PASSING, code))
    return new Transient(`${what}: ${PASSING[code]} (${code})`, { cause: error });
  if (Object.hasOwn(CERTIFICATE, code)) {
    return final(`the certificate of the server cannot be checked: ${CERTIFICATE[code]} (${code}); ${TRUST}`);
  }
  if (Object.hasOwn(UNFIT, code)) return final(`the certificate of the server ${UNFIT[code]} (${code})`);
  if (OTHER_CERTIFICATE.has(code)) {
    return final(
      `the certificate of the server is refused (${code}); ask whoever runs the server, or ${TRUST}`,
    );
  }
  if (code === UNNAMED) {
    const { message } = error as Error;
    const advice = WEAK.test(message)
      ? 'whoever runs the server must renew it, with a key of at least 2048 bits (RSA) and SHA-256'
      : 'whoever runs the server must renew it, without that';
    return final(`the certificate of the server is refused (${message}): ${advice}`);
  }
  if (Object.hasOwn(TLS, code)) return final(`${TLS[code]} (${code})`);
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_OSSL_') || code === 'EPROTO') {
    return new Transient(`${what}: the encrypted connection failed (${code})`, { cause: error });
  }
  if (code.startsWith('HPE_')) {
    return new Transient(`${what}: the answer is no HTTP, or was garbled (${code}); is the port right?`, {
      cause: error,
    });
  }
  // Whatever else the system reports of a socket, such as too many open files.
  if (error instanceof Error && 'syscall' in error) {
    return new Transient(`${what}: the connection failed (${code})`, { cause: error });
  }
  throw error;
}

/** Node gives OpenSSL's reason as the code of an error, or, when a write was under way, only within an EPROTO's message. */
function tlsCode(error: unknown): string | undefined {
  if (systemCode(error) !== 'EPROTO') return undefined;
  const [, reason] = /:SSL routines:[^:]*:([^:]+):/.exec((error as Error).message) ?? [];
  return reason === undefined ? undefined : `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}`;
}
