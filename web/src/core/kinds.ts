/** Kinds of versions, as the binary index numbers them. */
export const Kind = { file: 1, dir: 2, symlink: 3, char: 4, block: 5, fifo: 6, whiteout: 7 } as const;
export const Flag = { implicit: 1, xattrs: 2, nanoseconds: 4, linked: 8, opaque: 16, copied: 32 } as const;
export const Cause = { none: 0, replaced: 1, whiteout: 2, hidden: 3, opaque: 4, retyped: 5 } as const;
/** What a layer did to a path. `parent`: nothing, it stands there for what is in it. */
export const Status = { same: 0, added: 1, changed: 2, deleted: 3, parent: 4 } as const;
