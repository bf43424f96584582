import { untrack } from 'svelte';

/**
 * Which folders the reader has opened or closed; the others follow `open`.
 * Only what was touched is kept, so that half a million folders cost nothing.
 */
export class Folds {
  open = $state(false);
  #chosen = $state.raw<ReadonlyMap<number, boolean>>(new Map());

  constructor(open: boolean) {
    this.open = open;
  }

  /**
   * Says which folders are open, for all that a list asks about: those that the
   * reader opened, and those of `shown`, because something in them changed,
   * unless the reader closed them.
   */
  opened(shown: ReadonlySet<number>): (node: number) => boolean {
    const { open } = this;
    const chosen = this.#chosen;
    return (node) => chosen.get(node) ?? (open || shown.has(node));
  }

  set(node: number, open: boolean): void {
    this.#chosen = new Map(untrack(() => this.#chosen)).set(node, open);
  }

  all(open: boolean): void {
    this.#chosen = new Map();
    this.open = open;
  }
}
