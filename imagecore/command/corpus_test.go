package command_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/audit/ci"
	"github.com/layerlab/layerlab/imagecore/choose"
	"github.com/layerlab/layerlab/imagecore/command"
	"github.com/layerlab/layerlab/imagecore/imagetest/real"
	"github.com/layerlab/layerlab/imagecore/repack"
	"github.com/layerlab/layerlab/imagecore/tree"
)

var update = flag.Bool("update", false, "write the golden files anew")

// corpusFiles returns the folder of real archives and the files in it, or skips.
func corpusFiles(t *testing.T) (dir string, names []string) {
	t.Helper()
	dir, err := real.Dir()
	if err != nil {
		t.Skip(err)
	}
	if names, err = real.Files(dir); err != nil {
		t.Fatal(err)
	}
	return dir, names
}

// TestEveryCommandOnEveryFileOfTheCorpus runs the commands with their options
// on real archives, on each image of each. What does not simply succeed is a
// line of testdata/corpus.txt; every refusal has a code, a kind that an exit
// code belongs to, and stays on its line; all JSON is JSON.
// Every eighth file has its turn, of those above 128 KiB every twelfth; all of
// them with LAYERLAB_CORPUS_ALL.
func TestEveryCommandOnEveryFileOfTheCorpus(t *testing.T) {
	dir, names := corpusFiles(t)
	var got strings.Builder
	total := &outcomes{}
	all := os.Getenv("LAYERLAB_CORPUS_ALL") != "" || *update
	known, large, tested := lines(t, "corpus.txt"), 0, 0
	for i, name := range names {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		turn := i%8 == 0
		if info.Size() > 128<<10 {
			large++
			turn = large%12 == 5
		}
		if !turn && !all {
			fmt.Fprintf(&got, "%s\t%s\n", name, known[name])
			continue
		}
		tested++
		o := outcomes{t: t, file: name}
		o.read(path)
		fmt.Fprintf(&got, "%s\t%s\n", name, o.line())
		total.runs += o.runs
		total.images += o.images
		total.trips += o.trips
	}
	t.Logf("%d of %d files with %d images: %d runs of commands, %d conversions read back", tested, len(names), total.images, total.runs, total.trips)
	golden(t, "corpus.txt", got.String())
}

// outcomes are what the commands make of one file.
type outcomes struct {
	t     *testing.T
	file  string
	lines []string // what did not simply succeed, each once, in order

	runs, images, trips int
}

func (o *outcomes) line() string {
	if len(o.lines) == 0 {
		return "all done"
	}
	return strings.Join(o.lines, "; ")
}

func (o *outcomes) note(line string) {
	if !slices.Contains(o.lines, line) {
		o.lines = append(o.lines, line)
	}
}

func (o *outcomes) read(path string) {
	f, err := os.Open(path)
	if err != nil {
		o.t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		o.t.Fatal(err)
	}
	a, err := archive.Open(f, info.Size(), archive.Options{})
	if err != nil {
		o.note("refused: " + o.code("open", err))
		return
	}
	defer a.Close()
	for _, j := range []command.Job{
		{Name: command.Inspect},
		{Name: command.Inspect, JSON: true},
		{Name: command.Inspect, Explain: true, History: true},
		{Name: command.Inspect, Explain: true, JSON: true},
		{Name: command.Verify},
		{Name: command.Verify, JSON: true},
	} {
		o.run(a, j)
	}
	for _, form := range repack.Forms() {
		o.convert(a, form)
	}
	images := a.Report().Images
	o.images = len(images)
	if len(images) > 1 {
		o.run(a, command.Job{Name: command.Tree}) // refused: which one?
	}
	for i := range images {
		o.image(a, &images[i])
	}
}

// image runs what is about one image.
func (o *outcomes) image(a *archive.Archive, img *imagecore.Image) {
	zero, top := 0, len(img.Layers)-1
	folder, file := first(o.t, img)
	jobs := []command.Job{
		{Name: command.Tree},
		{Name: command.Tree, JSON: true, SHA256: !huge(img)},
		{Name: command.Diff},
		{Name: command.Diff, JSON: true},
		{Name: command.Diff, Summary: true},
		{Name: command.Diff, Summary: true, JSON: true},
		{Name: command.Waste},
		{Name: command.Waste, JSON: true},
		{Name: command.Waste, NoContents: true},
		{Name: command.Find, JSON: true, Filter: command.Filter{Pattern: "*o*", Type: "f", Size: "+1"}},
		{Name: command.Find, Filter: command.Filter{Pattern: "^.*$", Regex: true, Setuid: true}},
		{Name: command.Why, Path: "no/such/path"},
		{Name: command.Flatten},
		{Name: command.CI, Rules: ci.Default()},
		{Name: command.CI, Rules: ci.Default(), JSON: true},
		{Name: command.CI, Rules: ci.Default(), JUnit: true},
	}
	if top >= 0 {
		jobs = append(jobs,
			command.Job{Name: command.Tree, Layer: &zero},
			command.Job{Name: command.Tree, Only: &top, JSON: true},
			command.Job{Name: command.Diff, Layer: &zero, Layer2: &top, JSON: true},
			command.Job{Name: command.Find, Layer: &top},
		)
	}
	for _, p := range []string{folder, file} {
		if p != "" {
			jobs = append(jobs,
				command.Job{Name: command.Why, Path: command.Bytes(p)}, command.Job{Name: command.Why, Path: command.Bytes(p), JSON: true},
				command.Job{Name: command.Cat, Path: command.Bytes(p)},
			)
		}
	}
	for _, lens := range tree.Lenses()[1:] {
		jobs = append(jobs, command.Job{Name: command.Tree, Lens: lens}, command.Job{Name: command.Flatten, Lens: lens})
	}
	for _, j := range jobs {
		j.Choice.Ref = img.ID.String()
		o.run(a, j)
	}
}

// huge says that an image has a file whose holes alone would take a minute to
// hash.
func huge(img *imagecore.Image) bool {
	return slices.ContainsFunc(img.Layers, func(l imagecore.Layer) bool {
		return slices.ContainsFunc(l.Entries, func(e imagecore.Entry) bool { return e.Size > 1<<30 })
	})
}

// first returns a folder and a file of an image's tree, "" for none.
func first(t *testing.T, img *imagecore.Image) (folder, file string) {
	t.Helper()
	tr, err := tree.Build(img.Layers, tree.Spec)
	if err != nil {
		t.Fatal(err)
	}
	for n := range tr.Top().All() {
		switch {
		case n.Kind() == imagecore.Dir && folder == "":
			folder = n.Path()
		case n.Kind() == imagecore.File && file == "":
			file = n.Path()
		}
	}
	return folder, file
}

// run does one job and notes what came of it.
func (o *outcomes) run(a *archive.Archive, j command.Job) []byte {
	o.t.Helper()
	if j.Lens == "" {
		j.Lens = tree.Spec
	}
	j.Image = o.file
	what := j.Name
	switch {
	case j.Lens != tree.Spec:
		what += " as " + string(j.Lens)
	case j.To != "":
		what += " to " + j.To
	}
	o.runs++
	out := bounded{max: 64 << 20}
	if j.Name == command.Flatten || j.Name == command.Cat {
		out.max = 1 << 20
	}
	ok, err := func() (ok bool, err error) {
		defer func() {
			if p := recover(); p != nil {
				o.t.Errorf("%s: %+v: panic: %v", o.file, j, p)
			}
		}()
		return command.Run(o.t.Context(), j, []*archive.Archive{a}, &out)
	}()
	switch {
	case errors.Is(err, errEnough):
		o.note(what + ": begun")
		return nil
	case err != nil && j.Path == "no/such/path" && errors.Is(err, imagecore.ErrNotFound):
	case err != nil:
		o.note(what + ": " + o.code(what, err))
		return nil
	case !ok && j.Name != command.Diff:
		o.note(what + ": no")
	}
	if j.JSON {
		for line := range bytes.Lines(out.Bytes()) {
			if !json.Valid(line) {
				o.t.Errorf("%s: %s: not JSON: %.200q", o.file, what, line)
			}
		}
	}
	return out.Bytes()
}

// bounded keeps what a command prints, and stops it after so many bytes: a
// sparse file of the corpus has 12 GB of holes.
type bounded struct {
	bytes.Buffer
	max int
}

var errEnough = errors.New("enough")

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len() > b.max {
		return 0, errEnough
	}
	return b.Buffer.Write(p)
}

// code is an error's, with its layer and place.
func (o *outcomes) code(what string, err error) string {
	o.t.Helper()
	var e *imagecore.Error
	if !errors.As(err, &e) || e.Code == "" || e.Kind == nil || strings.ContainsAny(err.Error(), "\n\x1b") {
		o.t.Errorf("%s: %s: an error that says too little, or too much: %#v: %q", o.file, what, err, err)
		return "?"
	}
	s := e.Code + " (" + e.Kind.Error() + ")"
	if e.Entry != "" {
		s += fmt.Sprintf(" at %.40q", e.Entry)
	}
	if e.Offset >= 0 {
		s += fmt.Sprintf(" byte %d", e.Offset)
	}
	return s
}

// convert writes the archive in another form and wants the same digests when
// it is read back, and from there in the other forms.
func (o *outcomes) convert(a *archive.Archive, form string) {
	o.t.Helper()
	raw := o.run(a, command.Job{Name: command.Convert, To: form})
	if raw == nil {
		return
	}
	back := o.reopen(raw)
	o.same(form, a, back, form != repack.DockerV1)
	if form == repack.OCIDir { // the folder has the same files as oci
		return
	}
	for _, next := range []string{repack.DockerSave, repack.DockerV1, repack.OCI} {
		if again := o.run(back, command.Job{Name: command.Convert, To: next}); again != nil {
			o.same(form+" and "+next, back, o.reopen(again), next != repack.DockerV1)
			if next == form && form != repack.DockerV1 && named(a) && !bytes.Equal(raw, again) {
				o.t.Errorf("%s: written as %s, read and written again gives other bytes", o.file, form)
			}
		}
	}
}

// named says that all names are whole: one without a tag gets it when it is
// read from where that is needed.
func named(a *archive.Archive) bool {
	return !slices.ContainsFunc(a.Report().Images, func(img imagecore.Image) bool {
		return slices.ContainsFunc(img.Refs, func(ref string) bool { return !strings.Contains(ref, ":") })
	})
}

func (o *outcomes) reopen(raw []byte) *archive.Archive {
	o.t.Helper()
	a, err := archive.Open(bytes.NewReader(raw), int64(len(raw)), archive.Options{})
	if err != nil {
		o.t.Fatalf("%s: what convert wrote is refused: %v", o.file, err)
	}
	if err := tarEnds(raw); err != nil {
		o.t.Errorf("%s: what convert wrote is no tar to archive/tar: %v", o.file, err)
	}
	return a
}

func tarEnds(raw []byte) error {
	for r := tar.NewReader(bytes.NewReader(raw)); ; {
		if _, err := r.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// identity is what has to stay of an image in every form; the config, and with
// it the image's id and platform, is not kept in that of version 1.
func identity(img *imagecore.Image, whole bool) string {
	var s strings.Builder
	if whole {
		fmt.Fprintf(&s, "%s %s %s\n", img.ID, img.Config.Digest, img.Platform)
	}
	for _, l := range img.Layers {
		fmt.Fprintln(&s, l.DiffID, l.ChainID)
	}
	return s.String()
}

func (o *outcomes) same(how string, a, b *archive.Archive, whole bool) {
	o.t.Helper()
	o.trips++
	all := func(a *archive.Archive) (ids []string) {
		for i := range a.Report().Images {
			ids = append(ids, identity(&a.Report().Images[i], whole))
		}
		slices.Sort(ids)
		return slices.Compact(ids)
	}
	if d := cmp.Diff(all(a), all(b)); d != "" {
		o.t.Errorf("%s: converted to %s (-want +got):\n%s", o.file, how, d)
	}
	ok, err := command.Run(o.t.Context(), command.Job{Name: command.Verify, Lens: tree.Spec, Choice: choose.Choice{}}, []*archive.Archive{b}, io.Discard)
	if err != nil || !ok && !slices.Contains(o.lines, "verify: no") {
		o.t.Errorf("%s: converted to %s: not verified: %v", o.file, how, err)
	}
}

// lines reads a golden file of names and what comes of them.
func lines(t *testing.T, name string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil && !*update {
		t.Fatal(err)
	}
	m := map[string]string{}
	for line := range strings.Lines(string(b)) {
		file, what, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		m[file] = what
	}
	return m
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got), see -update:\n%s", path, diff)
	}
}
