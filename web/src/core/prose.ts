/** A message with terms of the glossary, [[whiteout]] or [[whiteout|its words]], and `code`, in pieces. */
export type Piece = { kind: 'text' | 'code'; text: string } | { kind: 'term'; term: string; text: string };

export function pieces(message: string): Piece[] {
  const out: Piece[] = [];
  let at = 0;
  for (const m of message.matchAll(/\[\[(\w+)(?:\|([^\]]+))?\]\]|`([^`]+)`/g)) {
    if (m.index > at) out.push({ kind: 'text', text: message.slice(at, m.index) });
    if (m[1]) out.push({ kind: 'term', term: m[1], text: m[2] ?? '' });
    else out.push({ kind: 'code', text: m[3] });
    at = m.index + m[0].length;
  }
  if (at < message.length) out.push({ kind: 'text', text: message.slice(at) });
  return out;
}
