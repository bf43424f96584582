import { ApiFailure } from '../io/api.ts';
import { app } from './app.svelte.ts';
import { untilLeft } from './untilleft.ts';

/** As untilLeft, for what the server has: where it did not answer, it is asked again when it is back. `came` takes back what `failed` has said. */
export function untilHeard<T>(
  ask: () => Promise<T>,
  came: (value: T) => void,
  failed: (cause: unknown) => void,
): () => void {
  let stop = () => {};
  const begin = () => {
    stop = untilLeft(ask(), came, (cause) => {
      failed(cause);
      if (!(cause instanceof ApiFailure && cause.status === 0)) return;
      const drop = app.onTurn(() => {
        drop();
        begin();
      });
      stop = drop;
    });
  };
  begin();
  return () => stop();
}
