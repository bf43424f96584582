package diff

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// EntryJSON is a line of `layerlab tree --json`. Fields that do not apply are
// left out.
type EntryJSON struct {
	// Path is percent-escaped where it is not UTF-8, and PathBytes has the
	// whole of it then (base64 in JSON); Target likewise.
	Path      string            `json:"path"`
	Type      string            `json:"type"`           // file, dir, symlink, char, block, fifo
	Mode      string            `json:"mode,omitempty"` // octal, "0755"; not of symlinks
	UID       uint32            `json:"uid"`
	GID       uint32            `json:"gid"`
	Size      *int64            `json:"size,omitempty"` // bytes, of files
	ModTime   string            `json:"mtime"`          // RFC 3339, UTC, with a fraction where there is one
	Target    string            `json:"target,omitempty"`
	Dev       string            `json:"dev,omitempty"`   // "major:minor"
	Nlink     int               `json:"nlink,omitempty"` // above one link
	First     string            `json:"first,omitempty"` // the inode's first name, above one link
	Xattrs    map[string][]byte `json:"xattrs,omitempty"`
	Layer     int               `json:"layer"` // the layer that wrote it
	PathBytes []byte            `json:"pathBytes,omitempty"`
	// TargetBytes is the target as it is, where it is not UTF-8.
	TargetBytes []byte `json:"targetBytes,omitempty"`
	// SHA256 is the digest of the content, in hexadecimal, where asked for.
	SHA256 string `json:"sha256,omitempty"`
}

// Entry describes a node. The caller adds SHA256.
func Entry(n tree.Node) EntryJSON {
	e := entryJSON(n.Path(), n.Kind(), n.Attr(), n.Size(), n.Target())
	e.Layer = n.Layer()
	if n.Inode() >= 0 {
		if count, first := n.Links(); count > 1 {
			e.Nlink = count
			e.First, _ = Escape(first)
		}
	}
	return e
}

// RawEntry describes an entry of a layer as it stands there, for
// `tree --only-layer`: whiteouts (type whiteout, opaque) and hard links (type
// hardlink, target the name that they link to) included.
func RawEntry(layer int, e *imagecore.Entry) EntryJSON {
	path := e.Path
	if e.Escapes {
		path = e.Name
	}
	a := tree.Attr{Mode: e.Mode, UID: e.UID, GID: e.GID, ModTime: e.ModTime, ModNano: e.ModNano, Major: e.Major, Minor: e.Minor, Xattrs: e.Xattrs}
	j := entryJSON(path, e.Kind, a, e.Size, e.Link)
	j.Layer = layer
	return j
}

func entryJSON(path string, kind imagecore.Kind, a tree.Attr, size int64, target string) EntryJSON {
	e := EntryJSON{Type: kind.String(), UID: a.UID, GID: a.GID, ModTime: formatTime(a.ModTime, a.ModNano)}
	e.Path, e.PathBytes = Escape(path)
	e.Target, e.TargetBytes = Escape(target)
	if kind != imagecore.Symlink {
		e.Mode = fmt.Sprintf("%04o", a.Mode)
	}
	switch kind {
	case imagecore.File:
		e.Size = &size
	case imagecore.Char, imagecore.Block:
		e.Dev = strconv.FormatUint(uint64(a.Major), 10) + ":" + strconv.FormatUint(uint64(a.Minor), 10)
	}
	if len(a.Xattrs) > 0 {
		e.Xattrs = make(map[string][]byte, len(a.Xattrs))
		for _, x := range a.Xattrs {
			key, _ := Escape(x.Key)
			e.Xattrs[key] = []byte(x.Value)
		}
	}
	return e
}

func formatTime(sec int64, nsec int32) string {
	return time.Unix(sec, int64(nsec)).UTC().Format(time.RFC3339Nano)
}

// ChangeJSON is a line of `layerlab diff --json`.
type ChangeJSON struct {
	Kind   string     `json:"kind"` // A, C or D
	Path   string     `json:"path"`
	Layer  int        `json:"layer"`
	Before *EntryJSON `json:"before,omitempty"`
	After  *EntryJSON `json:"after,omitempty"`
	What   []string   `json:"what,omitempty"` // of C: what differs
	// PathBytes is the path as it is, where it is not UTF-8.
	PathBytes []byte `json:"pathBytes,omitempty"`
}

// JSON describes a change; layer is the one that made it, or the number of the
// after view's layers less one where two stacks are compared.
func JSON(c Change, layer int) ChangeJSON {
	j := ChangeJSON{Kind: string(rune(c.Kind)), Layer: layer, What: c.What}
	j.Path, j.PathBytes = Escape(c.Path)
	if c.Before != nil {
		e := Entry(*c.Before)
		j.Before = &e
	}
	if c.After != nil {
		e := Entry(*c.After)
		j.After = &e
	}
	return j
}

// Escape returns s as it is where it is UTF-8, and raw is nil. Otherwise every
// byte that is not part of a character, and every percent sign, becomes %XX,
// and raw has the bytes of s.
func Escape(s string) (text string, raw []byte) {
	if utf8.ValidString(s) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || r == '%' {
			fmt.Fprintf(&b, "%%%02X", s[i])
		} else {
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String(), []byte(s)
}

// Quote returns s for a terminal: as it is where every character can be
// printed, else as a Go string literal, so that no name can move the cursor,
// fake a line or reorder text.
func Quote(s string) string {
	for _, r := range s {
		if r == utf8.RuneError || r == '"' || r == '\\' || !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}
