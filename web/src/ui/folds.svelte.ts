import { SvelteSet } from 'svelte/reactivity';

/**
 * Which folders are open. A folder follows `open` until the reader says
 * otherwise; only what differs is kept, so that half a million folders cost
 * nothing.
 */
export class Folds {
  open = $state(false);
  readonly #other = new SvelteSet<number>();

  constructor(open: boolean) {
    this.open = open;
  }

  isOpen = (node: number): boolean => this.#other.has(node) !== this.open;

  set(node: number, open: boolean): void {
    if (open === this.open) this.#other.delete(node);
    else this.#other.add(node);
  }

  all(open: boolean): void {
    this.#other.clear();
    this.open = open;
  }
}
