// A drag of the slider names a moment with each frame; browsers take so many
// addresses no more (WebKit throws after 100 in 10 s, Chromium leaves out those
// after 200), and each costs a millisecond of the step.

/** The least time between two addresses, in milliseconds. */
const pace = 150;

const stored = 'layerlab.address';

/** An entry of the browser's history, where the browser tells them apart. */
const entry = () => (window.navigation as Navigation | undefined)?.currentEntry?.key;

/**
 * The address of the page's entry in the browser's history. The first of a drag
 * is written at once, the others in turns; an entry that is left before its turn
 * has what it should say when it is come back to.
 */
export class Address {
  #written = Number.NEGATIVE_INFINITY;
  /** What the address said when the page followed it last, or wrote it. */
  #said = location.hash;
  #waiting: { entry: string; url: string } | null = null;
  #turn = 0;
  #leaving = false;
  /** What the entry came to say while the page was being left. */
  #last: [string, string][] = [];
  /** What entries should say that were left too early. */
  readonly #left: Map<string, string>;

  constructor() {
    this.#left = new Map(JSON.parse(sessionStorage.getItem(stored) ?? '[]') as [string, string][]);
  }

  /** Has the entry say something else; false where another entry has taken its place, of which the page will hear. */
  write(url: string): boolean {
    if (location.hash !== this.#said) return false;
    const at = entry();
    const wait = this.#written + pace - performance.now();
    if (at === undefined || wait <= 0) {
      this.put(url);
      return true;
    }
    this.#waiting = { entry: at, url };
    window.clearTimeout(this.#turn);
    this.#turn = window.setTimeout(() => this.settle(), wait);
    return true;
  }

  /**
   * Before the page is left: a reload that has begun goes where the entry said
   * then, so that the page after it has to know what it says by its end.
   */
  leave(): void {
    this.#leaving = true;
    this.settle();
    this.#keep();
  }

  /** When the page is shown, for the first time or again. */
  show(): void {
    this.#leaving = false;
    this.#last = [];
    sessionStorage.removeItem(stored);
  }

  /** Has the entry say what it should, also one that was come back to. */
  settle(): void {
    const waiting = this.#waiting;
    const at = entry();
    if (waiting && waiting.entry !== at) this.#left.set(waiting.entry, waiting.url);
    else if (waiting) this.put(waiting.url);
    this.#forget();
    const kept = at === undefined ? undefined : this.#left.get(at);
    if (kept !== undefined) this.put(kept);
  }

  /** The page shows what the address says. */
  follow(): void {
    this.settle();
    this.#said = location.hash;
  }

  /** Writes it at once. */
  put(url: string): void {
    const at = entry() ?? '';
    this.#forget();
    this.#left.delete(at);
    history.replaceState(null, '', url);
    this.#said = location.hash;
    this.#written = performance.now();
    if (!this.#leaving) return;
    this.#last = [[at, url]];
    this.#keep();
  }

  #keep(): void {
    const all = [...this.#left, ...this.#last];
    if (all.length > 0) sessionStorage.setItem(stored, JSON.stringify(all));
  }

  #forget(): void {
    window.clearTimeout(this.#turn);
    this.#waiting = null;
  }
}
