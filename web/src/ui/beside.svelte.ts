import { Looking } from './looking.svelte.ts';

/** A second archive, to compare the first one with. */
export const beside = new Looking();
