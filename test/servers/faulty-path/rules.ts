/** The rules of a faulty path: which of them acts on a request. */
import type { Action } from './exchange.ts';
import type { Asked, Match } from './match.ts';
import { always, type When } from './when.ts';

export interface Rule {
  /** Requests that matched so far. */
  readonly matched: number;
  /** Requests on which it acted. A test that expects a fault expects this, too. */
  readonly acted: number;
  remove(): void;
}

/** Adds a rule behind those that stand. Without `when` it acts always. */
export interface On {
  (match: Match, action: Action): Rule;
  (match: Match, when: When, action: Action): Rule;
}

interface Standing {
  match: Match;
  when: When;
  action: Action;
  matched: number;
  acted: number;
  remove(): void;
}

export class Rules {
  readonly standing: Standing[] = [];

  readonly on: On = (match: Match, ...rest: [Action] | [When, Action]) => {
    const [when, action] = rest.length === 1 ? [always, rest[0]] : rest;
    const remove = () => {
      const at = this.standing.indexOf(rule);
      if (at >= 0) this.standing.splice(at, 1);
    };
    const rule: Standing = { match, when, action, matched: 0, acted: 0, remove };
    this.standing.push(rule);
    return rule;
  };

  /** The action of the first rule whose turn it is; every rule counts the request. */
  choose(asked: Asked): Action | undefined {
    let chosen: Standing | undefined;
    for (const rule of this.standing) {
      if (!rule.match(asked)) continue;
      rule.matched += 1;
      if (rule.when(rule.matched, asked)) chosen ??= rule;
    }
    if (chosen !== undefined) chosen.acted += 1;
    return chosen?.action;
  }

  clear(): void {
    this.standing.length = 0;
  }
}
