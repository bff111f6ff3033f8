/** What a command is given of the world outside: nothing below src/cli asks for it in any other way. */

/** Environment, clock and terminal of one run. */
export interface CliContext {
  env: NodeJS.ProcessEnv;
  /** Absolute path of the current folder. */
  cwd: string;
  /** Writes part of the answer to standard output. */
  stdout: (text: string) => void;
  /** Writes anything else to standard error. */
  stderr: (text: string) => void;
  now: () => Date;
  stdin: NodeJS.ReadStream;
  isTTY: { stdout: boolean; stderr: boolean; stdin: boolean };
  /** The code to exit with when the command returns without an error; a command may set it. */
  exitCode: number;
}
