import type { Piece } from './prose.ts';

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

/**
 * Those that the steps of a plan speak of. Their config is the bundle's
 * config.json, what they hide lies behind a mount, and a source is what is mounted.
 */
export const termsOfSteps: readonly TermName[] = terms.filter(
  (x) => x !== 'config' && x !== 'hidden' && x !== 'provenance',
);

/** Words that older texts use, and what they mean today. */
export const oldTerms = ['unionfs', 'bootfs', 'topLevel', 'cacheID', 'tarsum', 'none', 'missing'] as const;

// How sentences use each term. The layers "lower" than another are not what
// overlayfs calls so, and Chinese has an everyday word for where something
// comes from.
const english: Record<TermName, string> = {
  image: 'images?',
  layer: 'layers?',
  entry: 'entry|entries',
  changeset: 'changesets?',
  whiteout: 'whiteouts?',
  opaque: 'opaque(?: whiteouts?)?',
  mergedTree: 'merged trees?',
  provenance: 'provenance',
  hidden: 'hidden',
  manifest: 'manifests?',
  config: 'configs?',
  digest: 'digests?',
  diffID: 'diffIDs?',
  chainID: 'chainIDs?',
  imageID: 'imageIDs?',
  reference: 'references?',
  dangling: 'dangling',
  contentAddressing: 'content addressing|content-addressed',
  upper: "container layers?|container[’']s (?:own )?layer|upper",
  lower: 'lower(?! layers?| version)',
  copyUp: 'cop(?:y|ied|ies)[ -]ups?',
  copyOnWrite: 'copy-on-write',
  unionMount: 'union mounts?',
  rootfs: 'root file systems?|rootfs',
  kernel: 'kernels?',
  namespace: 'namespaces?',
  bundle: 'bundles?',
  plan: 'plans?|trace',
  shim: 'shims?',
  lens: '(?:engine )?lens(?:es)?',
};
const chinese: Record<TermName, string> = {
  image: '镜像',
  layer: '层',
  entry: '条目',
  changeset: '变更集',
  whiteout: '删除标记',
  opaque: '不透明标记|不透明',
  mergedTree: '合并视图',
  provenance: '来源(?=视图|$)',
  hidden: '隐藏',
  manifest: '清单',
  config: '配置',
  digest: '摘要',
  diffID: 'diffID',
  chainID: 'chainID',
  imageID: 'imageID',
  reference: '引用',
  dangling: '悬空',
  contentAddressing: '内容寻址',
  upper: '容器层|upper',
  lower: 'lower',
  copyUp: '上拷',
  copyOnWrite: '写时复制',
  unionMount: '联合挂载',
  rootfs: '根文件系统',
  kernel: '内核',
  namespace: '命名空间',
  bundle: 'bundle',
  plan: '计划|跟踪',
  shim: 'shim',
  lens: '引擎视角',
};

/** One expression for all, the longer words first; pieces of paths and names of files are none. */
function expression(words: Record<TermName, string>, before: string, after: string): RegExp {
  const order = [...terms].sort((x, y) => words[y].length - words[x].length);
  const each = order.map((name) => `(?<${name}>${words[name]})`).join('|');
  return new RegExp(`${before}(?:${each})${after}`, 'giu');
}
const uses = {
  en: expression(english, '(?<![\\w/.<-])', '(?![\\w/>]|[.-]\\w)'),
  zh: expression(chinese, '', ''),
};

/** A text in pieces: where it uses a term of the glossary for the first time, one that opens it. */
export function linked(message: string, language: 'en' | 'zh', only: readonly TermName[] = terms): Piece[] {
  const out: Piece[] = [];
  const met = new Set<string>();
  let at = 0;
  const put = (text: string) => text && out.push({ kind: 'text', text });
  for (const m of message.matchAll(uses[language])) {
    const term = only.find((name) => m.groups?.[name]);
    if (!term || met.has(term)) continue;
    met.add(term);
    put(message.slice(at, m.index));
    out.push({ kind: 'term', term, text: m[0] });
    at = m.index + m[0].length;
  }
  put(message.slice(at));
  return out;
}

/** Which terms each of several texts is the first to use: those to open there. */
export function firstUses(
  texts: readonly string[],
  language: 'en' | 'zh',
  only: readonly TermName[] = terms,
): TermName[][] {
  const met = new Set<TermName>();
  return texts.map((text) =>
    termsIn(text, language).filter((x) => {
      const first = only.includes(x) && !met.has(x);
      met.add(x);
      return first;
    }),
  );
}

/** The terms that a text uses. */
export function termsIn(message: string, language: 'en' | 'zh'): TermName[] {
  return linked(message, language).flatMap((p) => terms.filter((x) => p.kind === 'term' && p.term === x));
}
