/** One name of an image and the string whose digest it is. */
export interface Box {
  kind: 'diffID' | 'chainID' | 'imageID' | 'manifest';
  /** -1 for what belongs to the whole image. */
  layer: number;
  id: string;
  /** What is hashed; null where that is a tar, or nothing (the base's chainID). */
  of: string | null;
}

export type Hash = (text: string) => Promise<string>;

/** The diffIDs that a config names, or null where it is no config. */
export function diffIDs(config: string): string[] | null {
  try {
    const doc = JSON.parse(config) as { rootfs?: { diff_ids?: unknown } } | null;
    const ids = doc?.rootfs?.diff_ids;
    return Array.isArray(ids) && ids.every((x) => typeof x === 'string') ? ids : null;
  } catch {
    return null;
  }
}

/**
 * Works out all names from a config and a manifest: diffID → chainID of each
 * layer (image-spec config.md, "Layer ChainID"), config → imageID, manifest →
 * its digest. The manifest is taken to name the config by `named`, its original
 * digest; where the config has become another, the manifest does too.
 */
export async function identify(
  config: string,
  manifest: string | null,
  named: string,
  hash: Hash,
): Promise<Box[]> {
  const boxes: Box[] = [];
  let chain = '';
  for (const [layer, id] of (diffIDs(config) ?? []).entries()) {
    boxes.push({ kind: 'diffID', layer, id, of: null });
    const of = layer === 0 ? null : `${chain} ${id}`;
    chain = of === null ? id : await hash(of);
    boxes.push({ kind: 'chainID', layer, id: chain, of });
  }
  const imageID = await hash(config);
  boxes.push({ kind: 'imageID', layer: -1, id: imageID, of: config });
  if (manifest !== null && named !== '' && manifest.includes(named)) {
    const of = manifest.replaceAll(named, imageID);
    boxes.push({ kind: 'manifest', layer: -1, id: await hash(of), of });
  }
  return boxes;
}

/** The config with one byte changed that no rule of its form forbids: a digit of the time, a letter of a name, else a blank at the end. */
export function changeByte(config: string): string {
  const m = /"created"\s*:\s*"\d{4}-\d\d-\d\dT\d\d:\d\d:\d(\d)/.exec(config);
  if (!m) return `${config} `;
  const at = m.index + m[0].length - 1;
  return `${config.slice(0, at)}${(Number(config[at]) + 1) % 10}${config.slice(at + 1)}`;
}

/** The config with another diffID for one layer, every other byte as it was; as it is where it names none. */
export function withDiffID(config: string, layer: number, id: string): string {
  const ids = config.indexOf('"diff_ids"');
  let n = 0;
  const put = (was: string) => (n++ === layer ? id : was);
  return ids < 0 ? config : config.slice(0, ids) + config.slice(ids).replace(/sha256:[0-9a-f]+/g, put);
}

/** A line of `docker images` for each reference, one of <none> where there is no reference. */
export function listed(refs: readonly string[]): { repository: string; tag: string }[] {
  if (refs.length === 0) return [{ repository: '<none>', tag: '<none>' }];
  return refs.map((ref) => {
    const name = ref.replace(/^docker\.io\/(library\/)?/, '').replace(/@.*$/, '');
    const [, repository, tag] = /^(.*?)(?::([^:/]+))?$/.exec(name) ?? ['', name];
    return { repository, tag: tag ?? '<none>' };
  });
}
