import { type Cast, CastProblem, castLimits, looksLikeCast, parseCast } from '../core/cast/parse.ts';

/** Whether a file is an asciicast, by its name and its first bytes. */
export async function isCast(file: File): Promise<boolean> {
  return /\.cast$/i.test(file.name) || looksLikeCast(await file.slice(0, 4200).text());
}

/** Reads a recording from a file, which is looked at before it is read into memory. */
export async function readCast(file: Blob): Promise<Cast> {
  if (file.size > castLimits.bytes) throw new CastProblem('cast-too-large', 1, 'the recording is too large');
  return parseCast(await file.text());
}
