// Package imagecore holds the nouns of a container image as an archive carries
// it: Image, Layer, Entry, Warning, Limits and the kinds of errors. It knows no
// format and does nothing; its subpackages do:
//
//	bytes → tarscan, codec → archive → tree → index, diff, pack → bytes
//
//	archive   what an archive holds, whatever its format
//	tarscan   tar headers with their offsets
//	codec     gzip (and, later in the chain, zstd, xz, bzip2) by their magic
//	tree      layers → merged tree with the provenance of every path
//	diff      tree × tree → changes
//	index     tree → the binary form that the page and the store read
//	survey    archive → report and indexes: the one job that runs natively,
//	          in the sandbox and in the browser, with the same bytes as result
//	pack      changes → layer tar · tree → one tar · images → docker save
//
// Everything here is free of operating system, network and clock, so that the
// same code runs on the server, under wazero and in a browser's worker.
//
// Names and terms are those of image-spec v1.1 (layer.md, config.md,
// manifest.md) and of Docker's image specification v1.0–v1.2.
package imagecore
