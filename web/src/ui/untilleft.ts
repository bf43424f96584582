/**
 * For an effect that asks for something: hands on what comes, or why it does not
 * come, until the returned function is called. An answer to one who has left, or
 * asks for something else by now, is forgotten.
 */
export function untilLeft<T>(
  asked: Promise<T>,
  came: (value: T) => void,
  failed: (cause: unknown) => void,
): () => void {
  let left = false;
  asked.then(
    (value) => {
      if (!left) came(value);
    },
    (cause: unknown) => {
      if (!left) failed(cause);
    },
  );
  return () => {
    left = true;
  };
}
