import { createSubscriber } from 'svelte/reactivity';

const ticks = createSubscriber((update) => {
  const clock = window.setInterval(update, 1000);
  return () => window.clearInterval(clock);
});

/** The time; what reads it in an effect or in markup reads it again each second. */
export function now(): number {
  ticks();
  return Date.now();
}
