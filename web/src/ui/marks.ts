import { Status } from '../core/kinds.ts';

export type Mark = 'added' | 'changed' | 'deleted';

/** The glyph of what happened to a path; that of deleted for anything else than added or changed. */
export function glyphOf(status: number): Mark {
  if (status === Status.added) return 'added';
  return status === Status.changed ? 'changed' : 'deleted';
}
