/** The glossary, in the order in which the words build on each other. */
export const terms = [
  'image',
  'layer',
  'entry',
  'changeset',
  'whiteout',
  'opaque',
  'mergedTree',
  'provenance',
  'hidden',
  'manifest',
  'config',
  'digest',
  'diffID',
  'chainID',
  'imageID',
  'reference',
  'dangling',
  'contentAddressing',
  'upper',
  'lower',
  'copyUp',
  'copyOnWrite',
  'unionMount',
  'rootfs',
  'kernel',
  'namespace',
  'bundle',
  'plan',
  'shim',
  'lens',
] as const;

export type TermName = (typeof terms)[number];

/** Words that older texts use, and what they mean today. */
export const oldTerms = ['unionfs', 'bootfs', 'topLevel', 'cacheID', 'tarsum', 'none', 'missing'] as const;
