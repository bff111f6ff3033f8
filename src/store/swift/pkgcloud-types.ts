/** The part of pkgcloud's OpenStack storage client that is used here; the package carries no types. */
import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';

/** A request under way, of the package `request`: takes the body, and emits `response`, `data`, `end`, `error`. */
export type PendingRequest = RequestEvents & Writable;

interface RequestEvents {
  on(event: 'request', listener: (request: ClientRequest) => void): this;
  on(event: 'response', listener: (response: IncomingMessage) => void): this;
  on(event: 'data', listener: (piece: Buffer) => void): this;
  on(event: 'socket', listener: (socket: import('node:net').Socket) => void): this;
  on(event: 'error', listener: (error: Error) => void): this;
  on(event: 'end' | 'close' | 'complete', listener: () => void): this;
  abort(): void;
}

/** Options of one request as they are handed to `request`, before pkgcloud adds the URL. */
export interface OutgoingRequest {
  headers: Record<string, string>;
  agent?: Agent;
  proxy?: null;
  followRedirect?: boolean;
  timeout?: number;
  json?: boolean;
}

/** Where tokens come from: pkgcloud's own class of this kind knows neither TempAuth's expiry nor application credentials. */
export interface Identity {
  token: { id: string; expires: Date } | undefined;
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  authorize(callback: (error?: unknown) => void): void;
  getServiceEndpointUrl(): string;
}

export interface StorageClient {
  /** Called with each request before it is sent, in their order; what is thrown fails the request. */
  before: ((request: OutgoingRequest) => OutgoingRequest | undefined)[];
  /** Sees to a valid token: asks the identity for one where there is none, or it is about to end. */
  auth(callback: (error?: unknown) => void): void;
  /** All of the client's calls go through this one. Without a callback it returns the request under way. */
  _request(options: {
    method: string;
    container?: string;
    path?: string;
    qs?: Record<string, string>;
    headers?: Record<string, string>;
  }): PendingRequest;
}

/** `pkgcloud/lib/pkgcloud/openstack/storage`. */
export interface Storage {
  createClient(options: {
    authUrl: string;
    identity: new () => Identity;
    strictSSL: boolean;
    /** Milliseconds before its end at which a token counts as ended. */
    earlyTokenTimeout: number;
  }): StorageClient;
}
