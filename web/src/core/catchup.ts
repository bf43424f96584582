/**
 * What is asked for, and told of by events besides. An answer says how it was when
 * it was made: an event that overtook it must not be undone by it, and neither must
 * the answer to a later question. An event that an answer knew already does no harm,
 * since those after it are heard as well.
 */
export class CatchUp<T extends object, E> {
  readonly #apply: (now: T, event: E) => T;
  readonly #asking = new Set<{ number: number; heard: E[] }>();
  #asked = 0;
  #answered = 0;

  constructor(apply: (now: T, event: E) => T) {
    this.#apply = apply;
  }

  /** An event was told: what is on its way may not know it. */
  hear(event: E): void {
    for (const asking of this.#asking) asking.heard.push(event);
  }

  /** Whatever is on its way is of no use any more. */
  forget(): void {
    this.#answered = this.#asked;
  }

  /** The answer with all that was told since it was asked for; null, also for a question that failed, where a later one was answered before. */
  async ask(question: () => Promise<T>): Promise<T | null> {
    const asking = { number: ++this.#asked, heard: [] as E[] };
    this.#asking.add(asking);
    const late = () => asking.number <= this.#answered;
    try {
      const answer = await question();
      if (late()) return null;
      this.#answered = asking.number;
      return asking.heard.reduce(this.#apply, answer);
    } catch (cause) {
      if (late()) return null;
      throw cause;
    } finally {
      this.#asking.delete(asking);
    }
  }
}
