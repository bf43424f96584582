import { onDestroy } from 'svelte';

/** Whether who asks is still on the page: for what goes on after something was waited for. Called while the component is made. */
export function still(): () => boolean {
  let there = true;
  onDestroy(() => {
    there = false;
  });
  return () => there;
}
