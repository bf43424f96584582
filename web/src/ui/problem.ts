import { ApiFailure } from '../io/api.ts';
import { PreviewFailure } from '../io/preview.ts';
import { words } from './words.svelte.ts';

export interface ProblemWords {
  words: string;
  code: string;
  message: string;
  requestID: string;
  layer: number;
  entry: string;
  offset: number;
}

interface CodedError {
  code: string;
  args: Record<string, string>;
  message: string;
}

function coded(x: unknown): x is CodedError {
  return typeof x === 'object' && x !== null && 'code' in x && typeof x.code === 'string' && 'message' in x;
}

/** Words whatever was thrown: an answer of the server, what the core says of an archive, or a plain error. */
export function wordProblem(cause: unknown): ProblemWords {
  const none = { code: '', requestID: '', layer: -1, entry: '', offset: -1 };
  if (cause instanceof PreviewFailure) {
    const f = cause.failure;
    return {
      ...none,
      code: f.code,
      message: f.message,
      words: words.code(f.code, f.args, f.message),
      layer: f.layer ?? -1,
      entry: f.entry ?? '',
      offset: f.offset ?? -1,
    };
  }
  if (cause instanceof ApiFailure || coded(cause)) {
    const place = {
      layer: Number(cause.args?.layer ?? -1),
      entry: cause.args?.entry ?? '',
      offset: Number(cause.args?.offset ?? -1),
    };
    return {
      ...none,
      ...place,
      code: cause.code,
      message: cause.message,
      requestID: cause instanceof ApiFailure ? cause.requestID : '',
      words: words.code(cause.code, cause.args, cause.message),
    };
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return { ...none, message, words: message };
}
