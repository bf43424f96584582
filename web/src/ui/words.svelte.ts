import { fill } from '../core/fill.ts';
import { size } from '../core/format.ts';
import type { PlanStep } from '../core/plan.ts';
import { en } from '../messages/en.ts';
import { planZh } from '../messages/plan.zh.ts';
import { zh } from '../messages/zh.ts';

export type Key = keyof typeof en;
export type Language = 'en' | 'zh';
export type Args = Readonly<Record<string, string | number>>;

const tables: Record<Language, Record<Key, string>> = { en, zh };
const stored = 'layerlab.language';

function first(): Language {
  const kept = localStorage.getItem(stored);
  if (kept === 'en' || kept === 'zh') return kept;
  for (const wanted of navigator.languages) {
    if (wanted.startsWith('zh')) return 'zh';
    if (wanted.startsWith('en')) return 'en';
  }
  return 'en';
}

class Words {
  #language = $state<Language>(first());

  get language(): Language {
    return this.#language;
  }

  set language(l: Language) {
    this.#language = l;
    localStorage.setItem(stored, l);
  }

  /** For Intl: dates and numbers in the page's language, not the browser's. */
  get locale(): string {
    return this.#language === 'zh' ? 'zh-CN' : 'en-GB';
  }

  has(key: string): key is Key {
    return Object.hasOwn(tables.en, key);
  }

  text(key: Key, args?: Args): string {
    return fill(tables[this.#language][key], args);
  }

  /** What a step of a plan does, what for, and what goes wrong without it. The server words them in English. */
  step(s: PlanStep): { words: string; reason: string; without: string } {
    const own = this.#language === 'zh' ? planZh[s.code] : undefined;
    if (!own) return s;
    const [does, reason, without] = own.map((text) => fill(text, s.args));
    return { words: does, reason, without };
  }

  /** What was done for a call, by the code of the note. Bytes become sizes. */
  note(code: string, args: Readonly<Record<string, string>>): string {
    const key = `note.${code}`;
    if (!this.has(key)) return [code, ...Object.values(args)].join(' ');
    return this.text(key, { ...args, ...(args.bytes && { bytes: size(Number(args.bytes)) }) });
  }

  /** The words of an error's or warning's code, or its English message where there are none. */
  code(code: string, args: Args | null, message: string): string {
    const key = `code.${code}`;
    if (!this.has(key)) return message;
    return fill(tables[this.#language][key], { ...args, message });
  }
}

export const words = new Words();
export const t = (key: Key, args?: Args) => words.text(key, args);
