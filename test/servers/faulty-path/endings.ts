/** The ways in which a request ends without an answer; they are thrown, so that whatever is under way ends too. */

/** How a connection ends: by RST, or by FIN. */
export type CutBy = 'reset' | 'close';

/** The client's connection is to be cut here, on purpose. What was passed on before goes out first. */
export class Cut extends Error {
  readonly by: CutBy;

  constructor(by: CutBy) {
    super('cut on purpose');
    this.name = 'Cut';
    this.by = by;
  }
}

/** The client has left: there is nobody to answer. */
export class Left extends Error {
  override readonly name = 'Left';
}

/** The real server ended the connection, or could not be reached. */
export class ServerLost extends Error {
  override readonly name = 'ServerLost';
}
