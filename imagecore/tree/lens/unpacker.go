package lens

import "github.com/layerlab/layerlab/imagecore"

// Unpacker unpacks the layers of one image, base first.
type Unpacker interface {
	// Layer unpacks one layer. The Folder is the unpacker's and changes with
	// the next layer. A *Refusal is what the engine says instead.
	Layer(layer int, entries []imagecore.Entry) (Folder, error)
	// Done ends the unpacking after the last layer. A *Refusal is what the
	// engine says of the whole; its Layer counts then.
	Done() error
	// Keeps says whether the engine gives a file an attribute of that name, if
	// the file may have it. What it does not keep it passes over, and nothing
	// else comes of it.
	Keeps(key string) bool
}

// Folder is what a layer was unpacked into.
type Folder struct {
	Root *Inode
	// Alone says that the folder holds this layer only, to be stacked upon
	// those below by overlayfs. Else it holds all layers so far.
	Alone bool
	// Touched lists what the layer changed in a folder that is not Alone, in
	// the order in which it did.
	Touched []Touched
}

// Refusal says why an engine takes a layer for broken.
type Refusal struct {
	Layer  int // of the entry, where all layers were unpacked before
	Entry  int // the entry at which it stopped, or that is to blame
	Reason string
}

// Error returns the reason.
func (r *Refusal) Error() string { return r.Reason }

// Docker returns an unpacker that does as Docker with its overlay2 driver.
func Docker() Unpacker { return &docker{steps: stepsAtFirst} }

// Containerd returns an unpacker that does as containerd with its overlayfs
// snapshotter.
func Containerd() Unpacker { return &containerd{steps: stepsAtFirst} }

// Umoci returns an unpacker that does as umoci unpack.
func Umoci() Unpacker {
	u := &umoci{steps: stepsAtFirst}
	u.fs = newFS(&u.steps)
	u.fs.logs, u.fs.host = true, true
	return u
}

// kindOf returns the kind that the header states, whatever the name means.
func kindOf(e *imagecore.Entry) imagecore.Kind {
	switch e.Kind {
	case imagecore.Whiteout, imagecore.Opaque, imagecore.Metadata:
		return e.Header
	}
	return e.Kind
}

// fresh returns the inode that an entry asks for, without its metadata.
func fresh(layer, id int, e *imagecore.Entry) *Inode {
	in := newInode(kindOf(e), layer, id, e.Mode)
	switch in.Kind {
	case imagecore.Symlink:
		in.target = e.Link
		in.Attr.Mode = 0o777
	case imagecore.Char, imagecore.Block:
		in.Attr.Major, in.Attr.Minor = e.Major, e.Minor
	}
	return in
}

// step is one thing that an engine does, with the word it has for it.
func step(word string, err errno) string {
	if err == ok {
		return ""
	}
	return word + ": " + string(err)
}
