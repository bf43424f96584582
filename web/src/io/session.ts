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

/** The secret of a shared terminal's link, for this tab alone. */
export const guest = {
  get secret(): string | null {
    return sessionStorage.getItem('layerlab.share');
  },
  set secret(value: string) {
    sessionStorage.setItem('layerlab.share', value);
  },
};
