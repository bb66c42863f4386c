/** What a command is given besides its options, and what it leaves. */
export interface CommandContext {
  /** Aborted when the command is to end: it cleans up and rejects with the reason. */
  readonly stop: AbortSignal;
  /** The exit status if nothing goes wrong. */
  status: number;
}
