/**
 * Whether the core can wait for a promise (WebAssembly's JavaScript Promise
 * Integration): it is suspended meanwhile, and must not be called. Where it
 * cannot, it reads one call after the other and knows no pause.
 */
export const waits = Boolean(WebAssembly.Suspending && WebAssembly.promising);
