import { untrack } from 'svelte';

/** How long the slider, or a scrolled tree, has to stand still until what can wait is drawn, in milliseconds. */
export const rest = 150;

/** A value as it last stood still: for what follows a drag's end instead of each of its steps. */
export function atRest<T>(value: () => T): { readonly current: T } {
  let current = $state.raw(untrack(value));
  $effect(() => {
    const next = value();
    const still = setTimeout(() => {
      current = next;
    }, rest);
    return () => clearTimeout(still);
  });
  return {
    get current() {
      return current;
    },
  };
}
