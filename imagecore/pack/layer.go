package pack

import (
	"archive/tar"
	"io"
	"sort"
	"strconv"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Item is one change that a layer makes.
type Item struct {
	// Path is clean and without a leading slash; "" is the root. For a
	// Whiteout it is the path that is hidden.
	Path string
	// Kind is File, Dir, Symlink, Char, Block, Fifo, Hardlink or Whiteout.
	Kind imagecore.Kind
	// Link is a Symlink's target, or the path that a Hardlink names: a
	// File (or other non-folder) of the same list. Where the two names sort
	// the other way round, WriteLayer swaps them.
	Link string
	// Opaque, of a Dir: the layers below contribute nothing to it.
	Opaque bool
	tree.Attr
	Size int64 // bytes of a File
	// Open gives a File's content, read once and closed; it may be nil
	// where Size is 0.
	Open func() (io.ReadCloser, error)
}

// WriteLayer writes a layer's tar (image-spec v1.1 layer.md) and closes it with
// two blocks of zeros. Items are written in the order of path components, an
// opaque whiteout right after its folder; items itself is left alone.
//
// A name that begins with ".wh." cannot be told from a whiteout: ErrInvalid,
// code "whiteout-name". Two items of one path: ErrInvalid, code
// "duplicate-name". A hard link without its file: code "hardlink-missing".
func WriteLayer(w io.Writer, items []Item) error {
	sorted, err := arrange(items)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	for i := range sorted {
		if err := writeItem(tw, &sorted[i]); err != nil {
			return err
		}
	}
	return tw.Close()
}

// arrange sorts and checks a copy of items.
func arrange(items []Item) ([]Item, error) {
	sorted := append([]Item(nil), items...)
	if err := firstNames(sorted); err != nil {
		return nil, err
	}
	sort.SliceStable(sorted, func(i, j int) bool { return tree.ComparePaths(sorted[i].Path, sorted[j].Path) < 0 })
	for i := range sorted {
		it := &sorted[i]
		if hasWhiteoutName(it.Path) {
			return nil, imagecore.NewError(imagecore.ErrInvalid, "whiteout-name",
				"a name that begins with .wh. cannot be kept in a layer: rename or remove "+strconv.Quote(it.Path), "path", it.Path)
		}
		if i > 0 && sorted[i-1].Path == it.Path {
			return nil, imagecore.NewError(imagecore.ErrInvalid, "duplicate-name",
				"two changes of one path: "+strconv.Quote(it.Path), "path", it.Path)
		}
	}
	return sorted, nil
}

// firstNames makes the name of each hard-linked file that sorts first the one
// that carries the content, so that the tar does not depend on which name the
// caller met first, and no link stands before what it names.
func firstNames(items []Item) error {
	byPath := make(map[string]int)
	groups := make(map[string][]int) // path of the file → its links
	for i := range items {
		if items[i].Kind == imagecore.Hardlink {
			groups[items[i].Link] = append(groups[items[i].Link], i)
		}
	}
	if len(groups) == 0 {
		return nil
	}
	for i := range items {
		byPath[items[i].Path] = i
	}
	for target, links := range groups {
		file, ok := byPath[target]
		if !ok || items[file].Kind == imagecore.Hardlink || items[file].Kind == imagecore.Dir || items[file].Kind == imagecore.Whiteout {
			return imagecore.NewError(imagecore.ErrInvalid, "hardlink-missing",
				"the hard link "+strconv.Quote(items[links[0]].Path)+" names "+strconv.Quote(target)+", which is no file of this layer",
				"path", items[links[0]].Path, "target", target)
		}
		names := []string{target}
		for _, l := range links {
			names = append(names, items[l].Path)
		}
		sort.Slice(names, func(i, j int) bool { return tree.ComparePaths(names[i], names[j]) < 0 })
		content := items[file]
		content.Path = names[0]
		items[file] = content
		for i, l := range links {
			items[l] = Item{Path: names[i+1], Kind: imagecore.Hardlink, Link: names[0], Attr: content.Attr}
		}
	}
	return nil
}

func hasWhiteoutName(path string) bool {
	return strings.HasPrefix(path, ".wh.") || strings.Contains(path, "/.wh.")
}

func writeItem(tw *tar.Writer, it *Item) error {
	if it.Kind == imagecore.Whiteout {
		dir, base := split(it.Path)
		return writeHeader(tw, &Item{Path: dir + ".wh." + base, Kind: imagecore.File})
	}
	if err := writeHeader(tw, it); err != nil {
		return err
	}
	if it.Kind == imagecore.File && it.Size > 0 {
		if err := copyContent(tw, it); err != nil {
			return err
		}
	}
	if it.Kind == imagecore.Dir && it.Opaque {
		name := ".wh..wh..opq"
		if it.Path != "" {
			name = it.Path + "/" + name
		}
		return writeHeader(tw, &Item{Path: name, Kind: imagecore.File})
	}
	return nil
}

func copyContent(tw *tar.Writer, it *Item) (err error) {
	r, err := it.Open()
	if err != nil {
		return trail(it.Path, err)
	}
	defer func() {
		if e := r.Close(); err == nil && e != nil {
			err = trail(it.Path, e)
		}
	}()
	if n, err := io.CopyN(tw, r, it.Size); err != nil {
		if err == io.EOF {
			err = imagecore.NewError(imagecore.ErrInvalid, "content-short",
				"the content ends after "+strconv.FormatInt(n, 10)+" of "+strconv.FormatInt(it.Size, 10)+" bytes: was it changed meanwhile?")
		}
		return trail(it.Path, err)
	}
	return nil
}

// split returns the folder with its slash, or "", and the last component.
func split(path string) (dir, base string) {
	i := strings.LastIndexByte(path, '/')
	return path[:i+1], path[i+1:]
}
