/** What made a layer, in the words of a Dockerfile. */
export interface Command {
  /** RUN, COPY, ADD, CMD … or "" where the history says something else. */
  word: string;
  rest: string;
}

/**
 * Reads `created_by` of an image's history. The classic builder wrote
 * "/bin/sh -c #(nop) CMD …" for all but RUN, "|2 A=1 B=2 /bin/sh -c …" for RUN
 * with build arguments; BuildKit writes the instruction and "# buildkit".
 */
export function parseCommand(createdBy: string): Command {
  let text = createdBy.replace(/\s*#\s*buildkit\s*$/, '').trim();
  const args = /^\|\d+\s+(?:.*?)(?=\/bin\/(?:ba)?sh -c )/s.exec(text);
  if (args) text = text.slice(args[0].length);
  const nop = /^\/bin\/(?:ba)?sh -c #\(nop\)\s*/.exec(text);
  if (nop) text = text.slice(nop[0].length);
  else {
    const sh = /^(?:RUN\s+)?\/bin\/(?:ba)?sh -c\s+/.exec(text);
    if (sh) return { word: 'RUN', rest: text.slice(sh[0].length).trim() };
  }
  const m =
    /^(FROM|RUN|COPY|ADD|CMD|ENTRYPOINT|ENV|EXPOSE|WORKDIR|USER|VOLUME|LABEL|ARG|HEALTHCHECK|STOPSIGNAL|SHELL|MAINTAINER|ONBUILD)\b\s*/.exec(
      text,
    );
  if (m) return { word: m[1], rest: text.slice(m[0].length).trim() };
  return { word: '', rest: text };
}

/** `created_by` as the line of a Dockerfile that made it; "" where nothing is told. */
export function dockerfileLine(createdBy: string): string {
  const { word, rest } = parseCommand(createdBy);
  return `${word} ${rest}`.trim();
}

/** Splits a command line into words as a shell would: quotes, backslashes and continued lines, nothing else. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote = '';
  for (let i = 0; i < line.length; i++) {
    const c = line[i];
    if (quote === "'") {
      if (c === "'") quote = '';
      else word += c;
    } else if (c === '\\' && /^\r?\n/.test(line.slice(i + 1, i + 3))) {
      i += line[i + 1] === '\r' ? 2 : 1;
    } else if (c === '\\' && i + 1 < line.length && (!quote || /["\\$`]/.test(line[i + 1]))) {
      word = (word ?? '') + line[++i];
    } else if (c === quote) quote = '';
    else if (!quote && (c === '"' || c === "'")) {
      quote = c;
      word ??= '';
    } else if (!quote && /\s/.test(c)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? '') + c;
  }
  if (word !== null) words.push(word);
  return words;
}

/** The reverse: words that need it stand in single quotes. */
export function joinWords(words: readonly string[]): string {
  return words.map((w) => (/^[\w@%+=:,./-]+$/.test(w) ? w : `'${w.replace(/'/g, "'\\''")}'`)).join(' ');
}
