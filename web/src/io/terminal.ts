import { Acks, isAnswer } from '../core/acks.ts';
import { backoff } from '../core/backoff.ts';
import type { ApiError, Control } from '../core/wire.ts';
import { ApiFailure } from './api.ts';
import type { Connection } from './events.ts';

export interface TerminalHandler {
  /** Clear the screen: the replay of what was there follows. */
  reset(): void;
  /** Show bytes, and say so when they are on the screen. */
  write(bytes: Uint8Array, shown: () => void): void;
  state(s: Connection): void;
  exit(code: number): void;
  error(e: ApiError): void;
  unauthorized(): void;
  /** The size that this end gives to the terminal; a guest has none and is told of it. */
  size?(): { cols: number; rows: number };
  resized?(cols: number, rows: number): void;
  /** False for one who only looks: nothing typed here is sent. Asked again when it is. */
  types?(): boolean;
}

/** How many bytes are kept of what is typed while there is no connection. */
const ahead = 64 << 10;

/** A terminal over WebSocket (types: wire.Control), which reconnects and replays. */
export class TerminalLink {
  readonly #address: () => Promise<string>;
  readonly #handler: TerminalHandler;
  #socket: WebSocket | null = null;
  #acks = new Acks();
  /** Whether the server has said that it is there, and has not gone since. */
  #ready = false;
  #timer = 0;
  #attempt = 0;
  #done = false;
  /** What was typed while there was no connection. */
  #typed: Uint8Array<ArrayBuffer>[] = [];
  #kept = 0;
  readonly #encoder = new TextEncoder();

  /** `address` gives one with a ticket, each time that it is asked. */
  constructor(address: () => Promise<string>, handler: TerminalHandler) {
    this.#address = address;
    this.#handler = handler;
    void this.#open();
  }

  /**
   * Sends what was typed, as soon as there is a connection: whoever types ahead of
   * it means the shell that comes. Answers to questions of replayed output are
   * dropped.
   */
  input(text: string): void {
    if (this.#done || (this.#acks.replaying && isAnswer(text))) return;
    const bytes = this.#encoder.encode(text);
    // From where it is too much nothing is kept: what follows would mean something else.
    this.#kept += bytes.length;
    if (this.#stands || this.#kept <= ahead) this.#typed.push(bytes);
    this.#flush();
  }

  /** Sends bytes that xterm.js hands over as a binary string (mouse reports), or drops them: a place on the screen is of that moment. */
  binary(text: string): void {
    if (this.#stands && this.#handler.types?.() !== false)
      this.#socket?.send(Uint8Array.from(text, (c) => c.charCodeAt(0)));
  }

  resize(cols: number, rows: number): void {
    this.#control({ type: 'resize', cols, rows });
  }

  close(): void {
    this.#done = true;
    window.clearTimeout(this.#timer);
    this.#socket?.close();
  }

  /** Whether what is sent arrives, as far as this end knows. */
  get #stands(): boolean {
    return this.#ready && this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Sends what waits, where it can. */
  #flush(): void {
    if (!this.#stands) return;
    if (this.#handler.types?.() !== false) for (const bytes of this.#typed) this.#socket?.send(bytes);
    this.#typed = [];
    this.#kept = 0;
  }

  #control(c: Control): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(c));
  }

  async #open(): Promise<void> {
    this.#handler.state('connecting');
    let url: string;
    try {
      url = await this.#address();
    } catch (cause) {
      if (this.#done) return;
      if (cause instanceof ApiFailure && cause.status === 401) this.#handler.unauthorized();
      else if (cause instanceof ApiFailure && cause.status > 0 && cause.status < 500) this.#fail(cause);
      else this.#retry();
      return;
    }
    if (this.#done) return;
    const address = new URL(url, location.href);
    address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(address);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#acks = new Acks();
    socket.onopen = () => {
      const size = this.#handler.size?.();
      if (size) this.resize(size.cols, size.rows);
    };
    socket.onmessage = (m: MessageEvent<string | ArrayBuffer>) => {
      if (typeof m.data === 'string') this.#receive(JSON.parse(m.data) as Control);
      else this.#show(new Uint8Array(m.data), this.#acks);
    };
    socket.onclose = () => {
      if (this.#socket === socket) this.#retry();
    };
  }

  #show(bytes: Uint8Array, acks: Acks): void {
    acks.received(bytes.length);
    this.#handler.write(bytes, () => {
      const total = acks.shown(bytes.length);
      if (total !== null && acks === this.#acks) this.#control({ type: 'ack', bytes: total });
    });
  }

  #receive(c: Control): void {
    switch (c.type) {
      case 'ready':
        this.#attempt = 0;
        this.#acks.ready(c.bytes ?? 0);
        this.#handler.reset();
        if (c.cols && c.rows) this.#handler.resized?.(c.cols, c.rows);
        this.#handler.state('open');
        this.#ready = true;
        this.#flush();
        break;
      case 'resize':
        this.#handler.resized?.(c.cols ?? 0, c.rows ?? 0);
        break;
      case 'exit':
        this.#done = true;
        this.#handler.exit(c.code ?? 0);
        break;
      case 'error':
        if (!c.error) break;
        // What was lent and is over is not asked for again.
        if (c.error.code.startsWith('share-')) this.#done = true;
        this.#handler.error(c.error);
        break;
    }
  }

  #fail(cause: ApiFailure): void {
    this.#done = true;
    const { code, args, message, requestID } = cause;
    this.#handler.error({ code, args, message, requestID });
  }

  #retry(): void {
    this.#socket = null;
    this.#ready = false;
    if (this.#done) return;
    this.#handler.state('lost');
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.#open(), backoff(++this.#attempt, Math.random()));
  }
}
