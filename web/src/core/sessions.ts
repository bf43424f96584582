/** A terminal of a container: "" is that of its own command, else an exec's id. */
export interface Session {
  id: string;
  title: string;
}

/** Which terminals of a container are open, which one is looked at, and which one beside it ("" with `split` false counts for nothing). */
export interface Sessions {
  list: readonly Session[];
  current: string;
  split: boolean;
  beside: string;
}

export const alone: Sessions = { list: [{ id: '', title: '' }], current: '', split: false, beside: '' };

export function added(s: Sessions, session: Session): Sessions {
  return { ...s, list: [...s.list, session], beside: s.split ? s.current : s.beside, current: session.id };
}

/** Takes an exec's terminal away; that of the command itself stays. */
export function closed(s: Sessions, id: string): Sessions {
  if (id === '') return s;
  const at = s.list.findIndex((x) => x.id === id);
  const list = s.list.filter((x) => x.id !== id);
  const next = list[Math.max(0, at - 1)]?.id ?? '';
  const current = s.current === id ? next : s.current;
  const beside = s.beside === id ? (list.find((x) => x.id !== current)?.id ?? '') : s.beside;
  return { list, current, beside, split: s.split && list.length > 1 };
}

export function chosen(s: Sessions, id: string): Sessions {
  // What is chosen changes places with what is looked at, where both are shown.
  return { ...s, current: id, beside: s.split && id === s.beside ? s.current : s.beside };
}

/** Shows two beside each other, or one again. */
export function splitted(s: Sessions): Sessions {
  if (s.split) return { ...s, split: false };
  const other = s.list.find((x) => x.id !== s.current);
  return other ? { ...s, split: true, beside: other.id } : s;
}

/** The terminals that are seen, in order. */
export function seen(s: Sessions): string[] {
  return s.split ? [s.current, s.beside] : [s.current];
}

/** Reads what was kept; anything else than that is a container with its own terminal alone. */
export function restored(text: string | null): Sessions {
  try {
    const s = JSON.parse(text ?? '') as Sessions;
    const known = (id: string) => s.list.some((x) => x.id === id);
    const whole = s.list.every((x) => typeof x.id === 'string' && typeof x.title === 'string');
    return whole && known('') && known(s.current) && (!s.split || known(s.beside)) ? s : alone;
  } catch {
    return alone;
  }
}
