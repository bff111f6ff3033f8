/**
 * Node's HTTP. Not by `import`, which reads every name that a module has, at once: behind one of them, WebSocket, lies another client, and to load that takes longer than all the
 * rest (70 ms).
 */
import process from 'node:process';

export const http = process.getBuiltinModule('node:http');
