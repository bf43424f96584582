import { backoff } from '../core/backoff.ts';
import type { ApiEvent } from '../core/wire.ts';
import { ApiFailure, ticketed } from './api.ts';

export type Connection = 'connecting' | 'open' | 'lost';

export interface EventsHandler {
  event(e: ApiEvent): void;
  /** The stream stands; what is known should be asked for anew. */
  open(): void;
  state(s: Connection): void;
  unauthorized(): void;
}

/** Milliseconds of silence after which a connection counts as lost: the server gives a sign of life every 15 s. */
const silence = 40_000;
/** Milliseconds that the server may take to answer before it is asked anew. */
const patience = 10_000;

/**
 * Keeps the stream of events alive: each connection needs a ticket of its own,
 * so reconnecting is done here and not by EventSource. Events missed in
 * between are replayed from the last sequence number. A connection that stands
 * and carries nothing, as behind a proxy that stalls, is given up as well.
 */
export function connectEvents(handler: EventsHandler): () => void {
  let source: EventSource | null = null;
  let timer = 0;
  let watch = 0;
  let attempt = 0;
  let since = 0;
  let closed = false;
  /** Which attempt at opening is under way: one that another has followed is given up. */
  let opening = 0;

  const retry = () => {
    window.clearTimeout(watch);
    source?.close();
    source = null;
    opening++;
    if (closed) return;
    handler.state('lost');
    window.clearTimeout(timer);
    timer = window.setTimeout(open, backoff(++attempt, Math.random()));
  };

  const expect = (within: number) => {
    window.clearTimeout(watch);
    watch = window.setTimeout(retry, within);
  };

  const receive = (message: MessageEvent<string>) => {
    expect(silence);
    const event = JSON.parse(message.data) as ApiEvent;
    // A server that begins anew counts anew.
    if (event.seq > since || event.kind === 'resync') since = event.seq;
    if (event.kind !== 'alive') handler.event(event);
  };

  async function open(): Promise<void> {
    const mine = ++opening;
    const late = () => closed || mine !== opening;
    if (attempt === 0) handler.state('connecting');
    try {
      const url = await ticketed(
        since > 0 ? `/events?since=${since}` : '/events',
        AbortSignal.timeout(patience),
      );
      if (late()) return;
      source = new EventSource(url);
      expect(patience);
    } catch (cause) {
      if (late()) return;
      if (cause instanceof ApiFailure && cause.status === 401) {
        handler.unauthorized();
        return;
      }
      retry();
      return;
    }
    source.onopen = () => {
      attempt = 0;
      expect(silence);
      handler.state('open');
      handler.open();
    };
    source.onmessage = receive;
    source.onerror = retry;
  }

  const wake = () => {
    if (!closed && source === null && attempt > 0) {
      window.clearTimeout(timer);
      void open();
    }
  };
  window.addEventListener('online', wake);
  void open();
  return () => {
    closed = true;
    window.clearTimeout(timer);
    window.clearTimeout(watch);
    window.removeEventListener('online', wake);
    source?.close();
  };
}
