package contents

import (
	"io"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Folder writes a folder of a view as tar. Names begin with the folder's own,
// as `docker cp` has them; the root's begin with nothing. A hard link whose
// other names lie outside is a file.
func Folder(w io.Writer, folder tree.Node, layers Layers) error {
	base := strings.TrimSuffix(folder.Path(), folder.Name())
	var items []pack.Item
	first := map[int]string{} // names by inode
	var add func(n tree.Node)
	add = func(n tree.Node) {
		it := pack.Item{Path: strings.TrimPrefix(n.Path(), base), Kind: n.Kind(), Attr: n.Attr()}
		switch n.Kind() {
		case imagecore.Symlink:
			it.Link = n.Target()
		case imagecore.File:
			if inode := n.Inode(); inode >= 0 {
				if name, ok := first[inode]; ok {
					it.Kind, it.Link = imagecore.Hardlink, name
					break
				}
				first[inode] = it.Path
			}
			it.Size = n.Size()
			it.Open = func() (io.ReadCloser, error) {
				ref := n.Content()
				tar, err := layers(ref.Layer)
				if err != nil {
					return nil, err
				}
				return io.NopCloser(tree.Content(tar, n.View().Tree().Entry(ref))), nil
			}
		}
		items = append(items, it)
		if n.Kind() == imagecore.Dir {
			for child := range n.Children() {
				add(child)
			}
		}
	}
	add(folder)
	return pack.WriteLayer(w, items)
}
