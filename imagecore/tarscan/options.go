package tarscan

import "github.com/layerlab/layerlab/imagecore"

// Options say how to scan. Limits must be set; the rest may be zero.
type Options struct {
	Limits imagecore.Limits
	Access Access // zero value: Native

	// Whiteouts gives names that begin with ".wh." their meaning, as in the
	// layers of an image. Without it, as in an archive that holds images or in
	// a plain root file system, they are names like any other.
	Whiteouts bool

	// Counted is how many entries were read elsewhere that Limits.Entries
	// bounds as well, such as those of an image's other layers.
	Counted int

	// Text is how many bytes of those that Limits.Text bounds were read elsewhere.
	Text int64

	// Warnings is how many warnings there may be, 0 for 1,000.
	Warnings int

	// Tick, if set, is asked every few hundred records and after each piece of
	// a stream that is read; an error that it returns ends the scan and is
	// returned by Next as it is.
	Tick func() error

	// Progress, if set, is told as often how many bytes are behind the scan.
	Progress func(offset int64)
}

// Access describes what reading costs, so that the scanner knows when it is
// cheaper to jump over a content than to read through it.
type Access struct {
	Window int   // bytes asked for at once while headers lie close together
	Probe  int   // bytes asked for at once while contents are jumped over
	Skip   int64 // mean bytes of content above which jumping is cheaper than reading through
}

// Native is the access to a file on this machine, or to memory: a call costs
// as much as copying a few kilobytes. A probe is one header; where extension
// headers stand before the records, the scanner asks for more by itself.
func Native() Access { return Access{Window: 32 << 10, Probe: 512, Skip: 8 << 10} }

// Browser is the access through FileReaderSync, where a call costs 0.8 ms and
// a megabyte 1.5 to 2 ms: a jump pays above some 400 kB only.
func Browser() Access { return Access{Window: 4 << 20, Probe: 64 << 10, Skip: 400 << 10} }

// orNative fills in what is unset.
func (a Access) orNative() Access {
	n := Native()
	if a.Window < 1024 {
		a.Window = n.Window
	}
	if a.Probe < blockSize || a.Probe > a.Window {
		a.Probe = min(n.Probe, a.Window)
	}
	if a.Skip <= 0 {
		a.Skip = n.Skip
	}
	return a
}
