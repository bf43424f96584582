package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/settings"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/choose"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/rootless"
)

// common are the options of every command that reads an image.
type common struct {
	ref, platform, engine, data string
	json, sandbox               bool
	limits                      *limitFlags
}

func (c *common) add(f *pflag.FlagSet) {
	f.StringVar(&c.ref, "ref", "", "the image of this name, or id, where there are several")
	f.StringVar(&c.platform, "platform", "", "the image for this os/arch[/variant] where there are several")
	f.StringVar(&c.engine, "engine", string(tree.Spec), "see the tree as this engine makes it: spec, docker-overlay2, containerd-overlayfs, umoci")
	f.BoolVar(&c.json, "json", false, "JSON instead of text")
	f.BoolVar(&c.sandbox, "sandbox", false, "read the archive in a process of its own that can do nothing else")
	addData(f, &c.data)
	c.limits = addLimits(f)
}

func addData(f *pflag.FlagSet, data *string) {
	f.StringVar(data, "data", defaultData(), "folder of the stored images")
}

// isRoot says whether this is root's process, and not that of a user who is root
// of a namespace.
func isRoot() bool { return os.Geteuid() == 0 && os.Getenv(rootless.Env) == "" }

// defaultData is /var/lib/layerlab for root, else in the user's data folder.
func defaultData() string {
	if isRoot() {
		return "/var/lib/layerlab"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "layerlab")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "share", "layerlab")
}

// addLayer adds a flag that names a layer; -1 stays where it is not given.
func addLayer(f *pflag.FlagSet, n *int, name, usage string) {
	*n = -1
	f.Var((*layerNumber)(n), name, usage)
}

// layerNumber is the value of such a flag.
type layerNumber int

// Set takes 0 and above: -1 must not pass for "not given".
func (l *layerNumber) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return errors.New("not the number of a layer: the first is 0")
	}
	*l = layerNumber(n)
	return nil
}

// String is empty where the flag is not given, so that help shows no default.
func (l *layerNumber) String() string {
	if *l < 0 {
		return ""
	}
	return strconv.Itoa(int(*l))
}

// Type is what help calls the value.
func (*layerNumber) Type() string { return "N" }

// count is the value of a flag that is a number from 0.
type count int

// Set implements pflag.Value.
func (c *count) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return errors.New("not a number from 0")
	}
	*c = count(n)
	return nil
}

func (c *count) String() string { return strconv.Itoa(int(*c)) }

// Type is what help calls the value.
func (*count) Type() string { return "N" }

// addCount adds such a flag.
func addCount(f *pflag.FlagSet, n *int, name string, otherwise int, usage string) {
	*n = otherwise
	f.Var((*count)(n), name, usage)
}

// choice is what picks one image out of several.
func (c *common) choice() (choose.Choice, error) {
	for name, value := range map[string]string{"ref": c.ref, "platform": c.platform} {
		if value == "" && c.limits.flags.Changed(name) {
			return choose.Choice{}, usageError{fmt.Errorf("--%s is empty: give it a value, or leave it out", name)}
		}
	}
	if c.platform != "" && !platformPattern().MatchString(c.platform) {
		return choose.Choice{}, usageError{fmt.Errorf("--platform %q: os/arch or os/arch/variant is needed, such as linux/amd64", c.platform)}
	}
	if strings.ContainsFunc(c.ref, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return choose.Choice{}, usageError{fmt.Errorf("--ref %q: names of images have no white space", c.ref)}
	}
	// Images hold Linux programs wherever they are looked at.
	return choose.Choice{Ref: c.ref, Platform: c.platform, Host: "linux/" + runtime.GOARCH}, nil
}

func platformPattern() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9]+/[a-zA-Z0-9_]+(/[a-zA-Z0-9._-]+)?$`)
}

// lens is the engine lens that was asked for.
func (c *common) lens() (tree.Lens, error) {
	l, err := tree.ParseLens(c.engine)
	if err != nil {
		return "", usageError{err}
	}
	return l, nil
}

// limitFlags are the flags --limit-…, one for each of imagecore.Limits, and
// two of the sandbox.
type limitFlags struct {
	archive, layer, ratioFree, document, xattrs, memory, restarts, text settings.Size
	ratio, entries, path, name, depth, layers, nesting, images          int
	time                                                                time.Duration
	flags                                                               *pflag.FlagSet
}

func addLimits(f *pflag.FlagSet) *limitFlags {
	d := imagecore.DefaultLimits()
	l := &limitFlags{
		archive: settings.Size(d.Archive), layer: settings.Size(d.Layer), ratioFree: settings.Size(d.RatioFree),
		document: settings.Size(d.Document), xattrs: settings.Size(d.Xattrs), restarts: settings.Size(d.Restarts), text: settings.Size(d.Text), flags: f,
	}
	f.Var(&l.archive, "limit-archive", "bytes of an archive")
	f.Var(&l.layer, "limit-layer", "bytes of a layer, unpacked")
	addCount(f, &l.ratio, "limit-ratio", int(d.Ratio), "unpacked bytes for each packed one")
	f.Var(&l.ratioFree, "limit-ratio-free", "bytes unpacked before the ratio counts")
	addCount(f, &l.entries, "limit-entries", d.Entries, "tar entries of an image")
	addCount(f, &l.path, "limit-path", d.Path, "bytes of a path")
	addCount(f, &l.name, "limit-name", d.Name, "bytes of a name")
	addCount(f, &l.depth, "limit-depth", d.Depth, "components of a path")
	addCount(f, &l.layers, "limit-layers", d.Layers, "layers of an image")
	f.Var(&l.document, "limit-document", "bytes of a manifest or config")
	f.Var(&l.xattrs, "limit-xattrs", "bytes of an entry's extended attributes")
	addCount(f, &l.nesting, "limit-nesting", d.Nesting, "indexes within indexes")
	addCount(f, &l.images, "limit-images", d.Images, "images of an archive")
	f.Var(&l.text, "limit-text", "bytes of all names, link targets and attributes, beyond 200 for each entry")
	f.Var(&l.restarts, "limit-restarts", "bytes to remember of where compressed layers can begin anew")
	f.Var(&l.memory, "limit-memory", "bytes of memory of the sandbox (default 64MiB + 700 an entry)")
	f.DurationVar(&l.time, "limit-time", 0, "time of the sandbox (default 30s for each GiB begun)")
	for _, name := range []string{"limit-ratio-free", "limit-path", "limit-name", "limit-depth", "limit-document", "limit-xattrs", "limit-nesting", "limit-images", "limit-restarts", "limit-text"} {
		// They work, but are rarely wanted: the help stays readable.
		_ = f.MarkHidden(name)
	}
	return l
}

// limits returns the limits of native reading.
func (l *limitFlags) limits() imagecore.Limits {
	return imagecore.Limits{
		Archive: int64(l.archive), Layer: int64(l.layer), Ratio: int64(l.ratio), RatioFree: int64(l.ratioFree),
		Entries: l.entries, Path: l.path, Name: l.name, Depth: l.depth, Layers: l.layers,
		Document: int64(l.document), Xattrs: int(l.xattrs), Nesting: l.nesting, Images: l.images, Restarts: int64(l.restarts), Text: int64(l.text),
	}
}

// guest returns the limits of the sandbox: those of a guest unless a flag says
// otherwise.
func (l *limitFlags) guest() imagecore.Limits {
	limits := l.limits()
	if !l.flags.Changed("limit-entries") {
		limits.Entries = imagecore.GuestLimits().Entries
	}
	if !l.flags.Changed("limit-text") {
		limits.Text = imagecore.GuestLimits().Text
	}
	if !l.flags.Changed("limit-restarts") {
		limits.Restarts = imagecore.GuestLimits().Restarts
	}
	return limits
}

// one is a command with one IMAGE.
func one(use, short string, run func(ctx context.Context, image string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), args[0]) },
	}
}
