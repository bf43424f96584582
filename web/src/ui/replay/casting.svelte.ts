import type { Cast } from '../../core/cast/parse.ts';
import { readCast } from '../../io/cast.ts';

/** A recording that was dropped on the page; kept while the reader walks about it. */
class Casting {
  file = $state.raw<File | null>(null);
  cast = $state.raw<Cast | null>(null);
  problem = $state.raw<unknown>(null);

  async open(file: File): Promise<void> {
    this.file = file;
    this.cast = null;
    this.problem = null;
    try {
      const cast = await readCast(file);
      if (this.file === file) this.cast = cast;
    } catch (cause) {
      if (this.file === file) this.problem = cause;
    }
  }
}

export const casting = new Casting();
