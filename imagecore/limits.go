package imagecore

// Limits bounds what untrusted input may make us do. Each is checked before
// the memory or the time is spent. The zero value allows nothing; start from
// DefaultLimits or GuestLimits.
type Limits struct {
	Archive   int64 // bytes of an archive, as stored
	Layer     int64 // bytes of one layer, unpacked
	Ratio     int64 // unpacked : packed, beyond RatioFree
	RatioFree int64 // bytes that may be unpacked before Ratio counts
	Entries   int   // tar records of an image, all layers together
	Path      int   // bytes of a path
	Name      int   // bytes of one component of a path
	Depth     int   // components of a path
	Layers    int   // layers of an image
	Document  int64 // bytes of a manifest, config or index
	Xattrs    int   // bytes of all extended attributes of one entry
	Nesting   int   // indexes within indexes
	Images    int   // images of an archive
	Text      int64 // bytes of names, link targets, attributes and maps of sparse files, of all entries together, beyond TextEach for each
	Restarts  int64 // bytes to remember of where compressed streams of an archive can begin anew
}

// TextEach is how many bytes of names, link targets and attributes an entry may
// have before Limits.Text counts: with it, memory is bounded by the number of
// entries. Those of common images have 60 to 90.
const TextEach = 200

// DefaultLimits returns the limits of native reading.
func DefaultLimits() Limits {
	return Limits{
		Archive:   64 << 30,
		Layer:     64 << 30,
		Ratio:     1000,
		RatioFree: 1 << 30,
		Entries:   5_000_000,
		Path:      4096,
		Name:      255,
		Depth:     512,
		Layers:    500,
		Document:  16 << 20,
		Xattrs:    64 << 10,
		Nesting:   16,
		Images:    1000,
		Text:      24 << 20,
		Restarts:  16 << 20,
	}
}

// GuestLimits returns the limits of the page and of the sandbox, whose memory
// is a WebAssembly guest's.
func GuestLimits() Limits {
	l := DefaultLimits()
	l.Entries = 500_000
	l.Text = 16 << 20
	l.Restarts = 4 << 20
	return l
}
