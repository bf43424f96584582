import { SvelteMap } from 'svelte/reactivity';

/**
 * Which folders the reader has opened or closed; the others follow `open`.
 * Only what was touched is kept, so that half a million folders cost nothing.
 */
export class Folds {
  open = $state(false);
  readonly #chosen = new SvelteMap<number, boolean>();

  constructor(open: boolean) {
    this.open = open;
  }

  /** `shown`: open unless the reader closed it, because something in it changed. */
  isOpen(node: number, shown: boolean): boolean {
    return this.#chosen.get(node) ?? (this.open || shown);
  }

  set(node: number, open: boolean): void {
    this.#chosen.set(node, open);
  }

  all(open: boolean): void {
    this.#chosen.clear();
    this.open = open;
  }
}
