export type Theme = 'auto' | 'light' | 'dark';

const stored = 'layerlab.theme';

class Looks {
  #theme = $state<Theme>('auto');
  #system = $state(false);

  constructor() {
    const kept = localStorage.getItem(stored);
    if (kept === 'light' || kept === 'dark') this.#theme = kept;
    const dark = window.matchMedia('(prefers-color-scheme: dark)');
    this.#system = dark.matches;
    dark.addEventListener('change', (e) => {
      this.#system = e.matches;
    });
    this.#show();
  }

  get theme(): Theme {
    return this.#theme;
  }

  set theme(theme: Theme) {
    this.#theme = theme;
    localStorage.setItem(stored, theme);
    this.#show();
  }

  get dark(): boolean {
    return this.#theme === 'dark' || (this.#theme === 'auto' && this.#system);
  }

  #show(): void {
    if (this.#theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.#theme;
  }
}

export const looks = new Looks();
