import cases from './cases.tar.gz?url';

/** Archives that come with the page. */
export const bundledNames = ['sample', 'cases'] as const;
export type BundledName = (typeof bundledNames)[number];

/** Whether these are the static files of `make site`, with no server of ours behind them. */
export const isSite = import.meta.env.MODE === 'site';

/** Gets an archive that comes with the page, as the file that it is. The sample lies beside the static files only: a server has it in its store. */
export async function bundled(name: BundledName): Promise<File> {
  const answer = await fetch(name === 'cases' ? cases : new URL('sample.tar.gz', document.baseURI));
  if (!answer.ok) throw new Error(`${name}.tar.gz: ${answer.status} ${answer.statusText}`);
  return new File([await answer.blob()], `${name}.tar.gz`);
}
