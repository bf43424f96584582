const key = 'layerlab.secret';

/** The session's secret, in this origin's storage: cookies would go to every port of the host. */
export const session = {
  get secret(): string | null {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  set secret(value: string | null) {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  },
};
