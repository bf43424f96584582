/** Of the "webworker" library, which cannot be loaded beside "dom". */
declare class FileReaderSync {
  readAsArrayBuffer(blob: Blob): ArrayBuffer;
}

/** JavaScript Promise Integration, where the browser has it: an import that answers with a promise suspends the module. */
declare namespace WebAssembly {
  const Suspending: (new (f: (...args: never[]) => unknown) => ImportValue) | undefined;
  const promising: ((f: (...args: number[]) => number) => (...args: number[]) => Promise<number>) | undefined;
}
