//go:build linux

// Package store keeps images on disk: their blobs as they came, their layers
// unpacked for overlayfs, and what is known about them. It does not run
// anything and speaks no HTTP.
//
//	archive → spool → Reader → blobs → meta.db → index.json
//	                                     └▶ folders → layers
//
// # On disk
//
//	oci-layout            the data folder is an OCI image layout
//	index.json            derived from meta.db after each change
//	blobs/sha256/HEX      configs, manifests and layers, byte for byte
//	layers/HEX/           the layer with that chainID, unpacked: whiteouts are
//	                      character devices 0:0, opaque folders carry an xattr
//	layers/HEX.index      the binary index of that stack, without its head
//	trash/                what is being deleted
//	meta.db               bbolt, the truth
//	token                 see package access
//
// # What a crash leaves
//
// Blobs become durable under a temporary name, then get their own; then one
// transaction of meta.db makes the image known; then index.json follows, and the
// layers' folders behind (package folders): one that is missing is made when
// Unpack asks for it. A removal forgets the image and moves its files to trash/ within
// one transaction, and deletes them after. So whatever a crash leaves is either
// not known to meta.db, and Open deletes it, or known and in trash/, and Open
// puts it back. Open logs each thing that it does.
//
// # Who waits for whom
//
// Receiving an archive goes on in parallel; storing, committing and removing
// happen one at a time. An image that somebody reads is held (Hold), and a
// held image is not removed. Unpacking behind holds nothing: a removal ends it.
package store
