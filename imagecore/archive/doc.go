// Package archive finds the images of an archive, whatever its format, and
// where each layer's tar lies:
//
//	bytes ─▶ Open ─▶ outer tar, folder or compressed stream      package outer, stream.go, folder.go
//	           ├─▶ manifest.json, index.json, repositories       dockersave.go, oci.go, dockerv1.go
//	           ├─▶ or none of them: a root file system           rootfs.go
//	           └─▶ headers of every layer                        layers.go
//	      ─▶ Report · OpenLayer · LayerAt · OpenBlob · Verify
//
// Open reads headers and small documents only where it can jump over contents:
// from a bare archive of 1.4 GB some hundred kilobytes. What is compressed has
// to be unpacked once, within limits, and nothing of it is kept. Root file
// systems have no config, so that their id is the digest of one made up here,
// which takes the diffID and thereby a pass over all bytes.
//
// Digests that the archive claims are taken as claims; Verify checks them.
//
//	a, err := archive.Open(f, size, archive.Options{})
//	for i, img := range a.Report().Images {
//		for j := range img.Layers {
//			tar, err := a.OpenLayer(i, j)
//
// It does not merge layers (package tree) and writes nothing (package pack).
package archive
