/**
 * A file of environment variables, as systemd's EnvironmentFile= and openrc files have it, read without a shell:
 * what a shell and systemd would understand differently is refused, not guessed.
 */

import { type FileText, wrongFile } from './read.ts';

const ASSIGNMENT = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/;

/** Whether the first line that says something is an assignment. */
export function holdsVariables(text: string): boolean {
  const first = linesOf(text).find((line) => !isIdle(line));
  return first !== undefined && ASSIGNMENT.test(first);
}

/** The variables by name. Throws HoldfastError `strategy`, which names the line and never shows it. */
export function parseVariables({ file, text }: FileText): Record<string, string> {
  const variables: Record<string, string> = Object.create(null);
  for (const [index, line] of linesOf(text).entries()) {
    if (isIdle(line)) continue;
    const refuse = (message: string) => wrongFile(file, `line ${index + 1} ${message}`);
    const [, name, written] = ASSIGNMENT.exec(line) ?? [];
    if (name === undefined || written === undefined) {
      throw refuse('is not of the form NAME=value: scripts are not run here, write the variables out');
    }
    variables[name] = plainValue(written.trimEnd(), (message) => refuse(`(${name}) ${message}`));
  }
  return variables;
}

function linesOf(text: string): string[] {
  return text.split(/\r?\n/);
}

/** Blank or a comment; systemd has `;` for those as well. */
function isIdle(line: string): boolean {
  return /^\s*($|[#;])/.test(line);
}

function plainValue(written: string, refuse: (message: string) => Error): string {
  const quote = written[0];
  if (quote === "'") {
    const [, inner] = /^'([^']*)'$/.exec(written) ?? [];
    if (inner === undefined) throw refuse('has a single quote that does not end where the line does');
    return inner;
  }
  if (quote === '"') {
    const [, inner] = /^"((?:[^"\\]|\\.)*)"$/.exec(written) ?? [];
    if (inner === undefined) throw refuse('has a double quote that does not end where the line does');
    if (/(?:^|[^\\])(?:\\\\)*[$`]/.test(inner)) throw refuse(EXPANDS);
    // Before any other character a backslash stands for itself (POSIX shell, 2.2.3).
    return inner.replace(/\\([$`"\\])/g, '$1');
  }
  if (/[$`]/.test(written)) throw refuse(EXPANDS);
  if (/[\s"'\\;&|<>()]|^~/.test(written)) {
    throw refuse('has blanks or characters that mean something to a shell: put the value in single quotes');
  }
  return written;
}

const EXPANDS =
  'has "$" or a backquote, but nothing is expanded here: write the value out, or put it in single quotes if it is meant as it stands';
