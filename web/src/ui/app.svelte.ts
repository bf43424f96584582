import { CatchUp } from '../core/catchup.ts';
import { apply, type Lists } from '../core/lists.ts';
import { codeIn, formatRoute, parseRoute, type Route, shareIn } from '../core/route.ts';
import { remember } from '../core/stack.ts';
import type { Activity, ApiEvent, Changes, Info, UploadProgress, Warning } from '../core/wire.ts';
import { ApiFailure, api } from '../io/api.ts';
import { isSite } from '../io/bundled.ts';
import { type Connection, connectEvents } from '../io/events.ts';
import { guest, session } from '../io/session.ts';
import { activity } from './activity/activity.svelte.ts';
import { Address } from './address.ts';

/** What the whole page shares: who is logged in, where we are, what the server has. */
class App {
  route = $state.raw<Route>(parseRoute(location.hash));
  authorized = $state(!isSite && session.secret !== null);
  loggingIn = $state(false);
  loginProblem = $state.raw<unknown>(null);
  connection = $state<Connection>('connecting');
  /**
   * Which turn of the stream of events this is, 0 while there is none. Of what
   * happened between two turns nobody was told: who follows something asks for it
   * anew with each.
   */
  turn = $state(0);
  lists = $state.raw<Lists>({ images: [], containers: [] });
  loaded = $state(false);
  /** Why the lists could not be read, as long as there are none. */
  problem = $state.raw<unknown>(null);
  info = $state.raw<Info | null>(null);
  /** What was warned of when a container was made here, until it is read. */
  warned = $state.raw<ReadonlyMap<string, Warning[]>>(new Map());
  /** What was done last to each container and image, as far as the stack shows it. */
  lately = $state.raw<ReadonlyMap<string, Activity>>(new Map());
  now = $state(Date.now());

  /** Containers that were made while this page listened: all that they wrote was written before its eyes. */
  readonly born = new Set<string>();

  readonly #address = new Address();
  readonly #listeners = new Set<(e: ApiEvent) => void>();
  readonly #turned = new Set<() => void>();
  readonly #asked = new CatchUp<Lists, ApiEvent>(apply);
  #turns = 0;
  #disconnect: (() => void) | null = null;

  /** Follows the address and, once logged in, the server's events. Returns what ends it. */
  start(): () => void {
    const leave = () => this.#address.leave();
    const show = () => this.#address.show();
    const follow = () => {
      this.#address.follow();
      const code = /[#&]code=/.test(location.hash) ? codeIn(location.hash) : null;
      const share = shareIn(location.hash);
      if (code) void this.login(code);
      else if (share) {
        // Out of the address and its history; a reload of this tab finds it.
        guest.secret = share;
        this.route = { view: 'shared' };
        this.#address.put(formatRoute(this.route));
      } else this.route = parseRoute(location.hash);
    };
    follow();
    window.addEventListener('hashchange', follow);
    window.addEventListener('beforeunload', leave);
    window.addEventListener('pagehide', leave);
    window.addEventListener('pageshow', show);
    const clock = window.setInterval(() => {
      this.now = Date.now();
    }, 30_000);
    if (this.authorized && !this.loggingIn) this.#connect();
    return () => {
      window.removeEventListener('hashchange', follow);
      window.removeEventListener('beforeunload', leave);
      window.removeEventListener('pagehide', leave);
      window.removeEventListener('pageshow', show);
      window.clearInterval(clock);
      this.#disconnect?.();
    };
  }

  /** Exchanges the one-time code for a session and takes it out of the address. */
  async login(code: string): Promise<void> {
    this.#address.put('#/');
    this.route = { view: 'home' };
    this.loggingIn = true;
    this.loginProblem = null;
    try {
      session.secret = (await api.session(code)).secret;
      this.authorized = true;
    } catch (cause) {
      // A code that was used before does no harm to a session that still holds.
      if (session.secret === null || (cause instanceof ApiFailure && cause.status === 0))
        this.loginProblem = cause;
    } finally {
      this.loggingIn = false;
    }
    if (this.authorized) this.#connect();
  }

  logout(): void {
    this.#disconnect?.();
    this.#disconnect = null;
    session.secret = null;
    this.authorized = false;
    this.loaded = false;
    this.turn = 0;
    this.#asked.forget();
    this.lists = { images: [], containers: [] };
  }

  go(route: Route): void {
    location.hash = formatRoute(route);
  }

  /** Changes the address without a new entry in the browser's history. Whoever has left already, which this page is yet to hear of, is not called back. */
  replace(route: Route): void {
    if (this.#address.write(formatRoute(route))) this.route = route;
  }

  /** Hears every event of the stream. */
  on(hear: (e: ApiEvent) => void): () => void {
    this.#listeners.add(hear);
    return () => this.#listeners.delete(hear);
  }

  /** Hears that a turn of the stream begins. */
  onTurn(hear: () => void): () => void {
    this.#turned.add(hear);
    return () => this.#turned.delete(hear);
  }

  onChanges(container: string, hear: (c: Changes) => void): () => void {
    return this.on((e) => {
      if (e.kind === 'container.changes' && e.id === container) hear(e.data as Changes);
    });
  }

  onUpload(id: string, hear: (p: UploadProgress) => void): () => void {
    return this.on((e) => {
      if (e.kind === 'upload.progress' && e.id === id) hear(e.data as UploadProgress);
    });
  }

  warn(container: string, warnings: Warning[]): void {
    const next = new Map(this.warned);
    if (warnings.length > 0) next.set(container, warnings);
    else next.delete(container);
    this.warned = next;
  }

  async refresh(): Promise<void> {
    try {
      const now = await this.#asked.ask(async () => {
        const [images, containers] = await Promise.all([api.images(), api.containers()]);
        return { images: images.images, containers: containers.containers };
      });
      if (!now) return;
      this.lists = now;
      this.loaded = true;
      this.problem = null;
      this.info ??= await api.info();
    } catch (cause) {
      if (!this.loaded) this.problem = cause;
      throw cause;
    }
  }

  #connect(): void {
    this.#disconnect?.();
    this.#disconnect = connectEvents({
      event: (e) => this.#hear(e),
      open: () => this.#begin(),
      state: (s) => {
        this.connection = s;
        if (s !== 'open') this.turn = 0;
      },
      unauthorized: () => this.logout(),
    });
  }

  #begin(): void {
    this.turn = ++this.#turns;
    activity.forget();
    void this.refresh().catch(() => undefined);
    for (const hear of [...this.#turned]) hear();
  }

  #hear(e: ApiEvent): void {
    for (const hear of this.#listeners) hear(e);
    if (e.kind === 'activity') {
      activity.hear(e.data as Activity);
      this.lately = remember(this.lately, e.data as Activity);
    } else if (e.kind === 'resync') this.#begin();
    else {
      if (e.kind === 'container.created') this.born.add(e.id);
      else if (e.kind === 'container.deleted') this.born.delete(e.id);
      this.lists = apply(this.lists, e);
      this.#asked.hear(e);
    }
  }
}

export const app = new App();
