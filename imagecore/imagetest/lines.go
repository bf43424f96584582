package imagetest

import (
	"io"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// ViewLines renders a view as Lines renders the oracle's tree.
func ViewLines(v *tree.View, content func(layer int) (io.ReaderAt, error)) (string, error) {
	text := ""
	for n := range v.All() {
		a := n.Attr()
		l := Line{Type: letters[n.Kind()], Path: n.Path(), Target: n.Target(), Mode: a.Mode, UID: a.UID, GID: a.GID, Major: a.Major, Minor: a.Minor}
		if n.Kind() == imagecore.File {
			r, err := content(n.Content().Layer)
			if err != nil {
				return "", err
			}
			if l.Content, err = io.ReadAll(tree.Content(r, v.Tree().Entry(n.Content()))); err != nil {
				return "", err
			}
		}
		l.Links, l.First = n.Links()
		text += l.String()
	}
	return text, nil
}
