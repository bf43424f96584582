/** Of the "webworker" library, which cannot be loaded beside "dom". */
declare class FileReaderSync {
  readAsArrayBuffer(blob: Blob): ArrayBuffer;
}
