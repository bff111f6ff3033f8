/** The program's own version, as package.json has it. */
import about from '../../package.json' with { type: 'json' };

export function programVersion(): string {
  return about.version;
}
