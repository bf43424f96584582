import { apply, caughtUp, type Lists } from '../core/lists.ts';
import { codeIn, formatRoute, parseRoute, type Route, shareIn } from '../core/route.ts';
import { remember } from '../core/stack.ts';
import type { Activity, ApiEvent, Changes, Info, UploadProgress, Warning } from '../core/wire.ts';
import { ApiFailure, api } from '../io/api.ts';
import { isSite } from '../io/bundled.ts';
import { type Connection, connectEvents } from '../io/events.ts';
import { guest, session } from '../io/session.ts';
import { activity } from './activity/activity.svelte.ts';
import { Address } from './address.ts';

/** Lists that are on their way, with what events told meanwhile. */
interface Asking {
  number: number;
  heard: ApiEvent[];
}

/** What the whole page shares: who is logged in, where we are, what the server has. */
class App {
  route = $state.raw<Route>(parseRoute(location.hash));
  authorized = $state(!isSite && session.secret !== null);
  loggingIn = $state(false);
  loginProblem = $state.raw<unknown>(null);
  connection = $state<Connection>('connecting');
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
  readonly #asking = new Set<Asking>();
  #asked = 0;
  #answered = 0;
  #disconnect: (() => void) | null = null;

  /** Follows the address and, once logged in, the server's events. Returns what ends it. */
  start(): () => void {
    const leave = () => this.#address.leave();
    const show = () => this.#address.show();
    const follow = () => {
      this.#address.settle();
      const code = /[#&]code=/.test(location.hash) ? codeIn(location.hash) : null;
      const share = shareIn(location.hash);
      if (code) void this.login(code);
      else if (share) {
        // Out of the address and its history; a reload of this tab finds it.
        guest.secret = share;
        this.route = { view: 'shared' };
        history.replaceState(null, '', formatRoute(this.route));
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
    history.replaceState(null, '', '#/');
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
    this.lists = { images: [], containers: [] };
  }

  go(route: Route): void {
    location.hash = formatRoute(route);
  }

  /** Changes the address without a new entry in the browser's history. */
  replace(route: Route): void {
    this.#address.write(formatRoute(route));
    this.route = route;
  }

  /** Hears every event of the stream. */
  on(hear: (e: ApiEvent) => void): () => void {
    this.#listeners.add(hear);
    return () => this.#listeners.delete(hear);
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
    const asking: Asking = { number: ++this.#asked, heard: [] };
    this.#asking.add(asking);
    try {
      const [images, containers] = await Promise.all([api.images(), api.containers()]);
      // One that was asked for later may have come first; it knows more.
      if (asking.number > this.#answered) {
        this.#answered = asking.number;
        this.lists = caughtUp({ images: images.images, containers: containers.containers }, asking.heard);
      }
      this.loaded = true;
      this.problem = null;
      this.info ??= await api.info();
    } catch (cause) {
      if (!this.loaded) this.problem = cause;
      throw cause;
    } finally {
      this.#asking.delete(asking);
    }
  }

  #connect(): void {
    this.#disconnect?.();
    this.#disconnect = connectEvents({
      event: (e) => this.#hear(e),
      open: () => {
        activity.forget();
        void this.refresh().catch(() => undefined);
      },
      state: (s) => {
        this.connection = s;
      },
      unauthorized: () => this.logout(),
    });
  }

  #hear(e: ApiEvent): void {
    for (const hear of this.#listeners) hear(e);
    if (e.kind === 'activity') {
      activity.hear(e.data as Activity);
      this.lately = remember(this.lately, e.data as Activity);
    } else if (e.kind === 'resync') void this.refresh().catch(() => undefined);
    else {
      if (e.kind === 'container.created') this.born.add(e.id);
      else if (e.kind === 'container.deleted') this.born.delete(e.id);
      this.lists = apply(this.lists, e);
      for (const asking of this.#asking) asking.heard.push(e);
    }
  }
}

export const app = new App();
