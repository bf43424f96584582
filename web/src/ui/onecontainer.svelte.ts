import { containerAt } from '../core/lists.ts';
import type { Container } from '../core/wire.ts';
import { api } from '../io/api.ts';
import { app } from './app.svelte.ts';
import { still } from './still.ts';
import { untilHeard } from './untilheard.ts';

/** The container that an address means: what the server says of it, then what events tell. Made while a component is. */
export class OneContainer {
  /** As it was when it was asked for; null before. */
  asked = $state.raw<Container | null>(null);
  problem = $state.raw<unknown>(null);
  #was = $state(false);
  #deleted = $state.raw<ReadonlySet<string>>(new Set());
  readonly #address: () => string;
  readonly #there = still();
  readonly #listed = $derived.by(() => containerAt(app.lists, this.#address(), this.asked));

  constructor(address: () => string) {
    this.#address = address;
    $effect(() => {
      const of = address();
      return untilHeard(
        () => api.container(of),
        (c) => {
          this.asked = c;
          this.problem = null;
        },
        (cause) => {
          this.problem = cause;
        },
      );
    });
    $effect(() => {
      if (this.#listed) this.#was = true;
    });
    $effect(() =>
      app.on((e) => {
        if (e.kind === 'container.deleted') this.#deleted = new Set(this.#deleted).add(e.id);
      }),
    );
  }

  /** After it was removed here: whoever still looks at it goes to the lists. */
  leave(): void {
    if (this.#there()) app.go({ view: 'home' });
  }

  get now(): Container | null {
    return this.#listed ?? this.asked;
  }

  /** Whether it is there no more. One that the lists do not have yet may be newer than they are. */
  get removed(): boolean {
    return this.asked !== null && !this.#listed && (this.#was || this.#deleted.has(this.asked.id));
  }
}
