package pack

import (
	"path"

	"github.com/layerlab/layerlab/imagecore"
)

// Entries are the records that WriteLayer would write for items, with the bytes
// that they take in all, without a content being read: what a layer that is
// still written to would be. Places are those of a tar in which every header
// is one block; a PAX header, where one is needed, moves what follows it.
//
// The errors are WriteLayer's.
func Entries(items []Item) ([]imagecore.Entry, int64, error) {
	sorted, err := arrange(items)
	if err != nil {
		return nil, 0, err
	}
	const block = 512
	entries := make([]imagecore.Entry, 0, len(sorted))
	at := int64(0)
	add := func(e imagecore.Entry) {
		e.Offset, e.DataOffset = at, at+block
		at += block + (e.Stored+block-1)/block*block
		entries = append(entries, e)
	}
	for i := range sorted {
		it := &sorted[i]
		e := imagecore.Entry{
			Name: it.Path, Path: it.Path, Link: it.Link, Kind: it.Kind, Mode: it.Mode, UID: it.UID, GID: it.GID,
			Major: it.Major, Minor: it.Minor, ModTime: it.ModTime, ModNano: it.ModNano, Xattrs: it.Xattrs,
		}
		switch it.Kind {
		case imagecore.File:
			e.Size, e.Stored = it.Size, it.Size
		case imagecore.Whiteout:
			dir, name := path.Split(it.Path)
			e.Name, e.Header = dir+".wh."+name, imagecore.File
		}
		add(e)
		if it.Opaque {
			add(imagecore.Entry{Name: path.Join(it.Path, ".wh..wh..opq"), Path: it.Path, Kind: imagecore.Opaque, Header: imagecore.File})
		}
	}
	return entries, at + 2*block, nil
}
