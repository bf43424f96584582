/**
 * Fills a message: {name} is replaced by the argument, {n|layer|layers} by the
 * second or the third part after the number of n (one or not). Languages
 * without plurals write {n}.
 */
export function fill(message: string, args: Readonly<Record<string, string | number>> = {}): string {
  return message.replace(
    /\{(\w+)(?:\|([^|}]*)\|([^|}]*))?\}/g,
    (whole, key: string, one?: string, many?: string) => {
      const value = args[key];
      if (value === undefined) return whole;
      if (one === undefined) return String(value);
      return Number(String(value).replace(/\u2009/g, '')) === 1 ? one : (many ?? '');
    },
  );
}
