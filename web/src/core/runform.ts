import { joinWords, splitWords } from './command.ts';
import { emptyRun, type RunFields } from './runline.ts';

/** The same as RunFields as a form holds it: a text for each field, lists one item a line. */
export type RunForm = { [K in keyof RunFields]: RunFields[K] extends boolean ? boolean : string };

const lines = (text: string) =>
  text
    .split('\n')
    .map((l) => l.trim())
    .filter((l) => l !== '');
const words = (text: string) => text.split(/[\s,]+/).filter((w) => w !== '');

export function formOf(f: RunFields): RunForm {
  return {
    ...f,
    command: joinWords(f.command),
    entrypoint: f.entrypoint ? (f.entrypoint.length > 0 ? joinWords(f.entrypoint) : "''") : '',
    env: f.env.join('\n'),
    ports: f.ports.join('\n'),
    volumes: f.volumes.join('\n'),
    tmpfs: f.tmpfs.join('\n'),
    labels: f.labels.join('\n'),
    capAdd: f.capAdd.join(' '),
    capDrop: f.capDrop.join(' '),
    securityOpts: f.securityOpts.join(' '),
    aliases: f.aliases.join(' '),
    hosts: f.hosts.join('\n'),
    logOpts: f.logOpts.join('\n'),
  };
}

export const emptyForm = (image: string) => formOf(emptyRun(image));

export function fieldsOf(form: RunForm): RunFields {
  const entrypoint = splitWords(form.entrypoint);
  const one = Object.fromEntries(
    Object.entries(form).map(([field, value]) => [field, typeof value === 'string' ? value.trim() : value]),
  ) as unknown as RunForm;
  return {
    ...one,
    command: splitWords(form.command),
    // '' typed out means: none at all.
    entrypoint: entrypoint.length === 0 ? null : entrypoint.filter((w, i) => i > 0 || w !== ''),
    env: lines(form.env),
    ports: lines(form.ports),
    volumes: lines(form.volumes),
    tmpfs: lines(form.tmpfs),
    labels: lines(form.labels),
    capAdd: words(form.capAdd),
    capDrop: words(form.capDrop),
    securityOpts: words(form.securityOpts),
    aliases: words(form.aliases),
    hosts: lines(form.hosts),
    logOpts: lines(form.logOpts),
  };
}
