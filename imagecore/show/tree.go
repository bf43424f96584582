package show

import (
	"fmt"
	"io"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/diff"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Node writes a path of a merged tree in one line: mode, owner, size, layer,
// path and what it leads to. sha256 is the content's digest, "" for none.
func Node(w io.Writer, n tree.Node, sha256 string) error {
	a := n.Attr()
	target := ""
	if n.Kind() == imagecore.Symlink {
		target = " -> " + diff.Quote(n.Target())
	} else if count, first := n.Links(); count > 1 && first != n.Path() {
		target = " = " + diff.Quote(first)
	}
	return row(w, n.Kind(), a.Mode, a.UID, a.GID, size(n.Kind(), n.Size(), a.Major, a.Minor), n.Layer(), n.Path(), target, sha256)
}

// Entry writes an entry of a layer in one line, in the manner of Node;
// whiteouts by the path that they hide.
func Entry(w io.Writer, layer int, e *imagecore.Entry, sha256 string) error {
	target := ""
	switch e.Kind {
	case imagecore.Symlink:
		target = " -> " + diff.Quote(e.Link)
	case imagecore.Hardlink:
		target = " = " + diff.Quote(e.Link)
	}
	path := e.Path
	if e.Escapes {
		path, target = e.Name, target+"  (leaves the root)"
	}
	return row(w, e.Kind, e.Mode, e.UID, e.GID, size(e.Kind, e.Size, e.Major, e.Minor), layer, path, target, sha256)
}

func row(w io.Writer, kind imagecore.Kind, mode, uid, gid uint32, size string, layer int, path, target, sha256 string) error {
	if path == "" {
		path = "."
	}
	if sha256 != "" {
		sha256 = "  " + sha256
	}
	_, err := fmt.Fprintf(w, "%s %5d:%-5d %12s  %2d  %s%s%s\n", Mode(kind, mode), uid, gid, size, layer, diff.Quote(path), target, sha256)
	return err
}

func size(kind imagecore.Kind, n int64, major, minor uint32) string {
	switch kind {
	case imagecore.File:
		return fmt.Sprint(n)
	case imagecore.Char, imagecore.Block:
		return fmt.Sprintf("%d,%d", major, minor)
	}
	return "-"
}

// Mode is the ten characters of `ls -l`; layers have four kinds more: w is a
// whiteout, o an opaque one, h a hard link, m metadata of AUFS.
func Mode(kind imagecore.Kind, mode uint32) string {
	letter := byte('?')
	switch kind {
	case imagecore.File:
		letter = '-'
	case imagecore.Dir:
		letter = 'd'
	case imagecore.Symlink:
		letter = 'l'
	case imagecore.Char:
		letter = 'c'
	case imagecore.Block:
		letter = 'b'
	case imagecore.Fifo:
		letter = 'p'
	case imagecore.Whiteout:
		return "w" + strings.Repeat("-", 9)
	case imagecore.Opaque:
		return "o" + strings.Repeat("-", 9)
	case imagecore.Hardlink:
		letter = 'h'
	case imagecore.Metadata:
		letter = 'm'
	}
	b := []byte("?rwxrwxrwx")
	b[0] = letter
	for i := range 9 {
		if mode&(1<<(8-i)) == 0 {
			b[1+i] = '-'
		}
	}
	for _, s := range []struct {
		bit        uint32
		at         int
		with, sans byte
	}{{0o4000, 3, 's', 'S'}, {0o2000, 6, 's', 'S'}, {0o1000, 9, 't', 'T'}} {
		if mode&s.bit == 0 {
			continue
		}
		if b[s.at] == 'x' {
			b[s.at] = s.with
		} else {
			b[s.at] = s.sans
		}
	}
	return string(b)
}
