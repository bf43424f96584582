package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/layerlab/layerlab/imagecore/command"
	"github.com/layerlab/layerlab/imagecore/imagetest"
)

// bin is the folder of the programs under test.
var bin string

func TestMain(m *testing.M) {
	if os.Getenv(measureEnv) != "" {
		os.Exit(measured())
	}
	os.Exit(run(m))
}

// run builds the programs as a user would have them, then runs the tests.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "layerlab-e2e-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	if err := chooseDocker(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, b := range []struct {
		out, pkg string
		args     []string
		env      []string
	}{
		{"layerlab", "./cmd/layerlab", []string{"-ldflags", "-s -w -X main.version=test"}, []string{"CGO_ENABLED=0"}},
		{"layerlab-sample", "./cmd/layerlab-sample", nil, []string{"CGO_ENABLED=0"}},
		{"layerlab-userland", "./cmd/layerlab-userland", nil, []string{"CGO_ENABLED=0"}},
		{"layerlab-runtime", "./cmd/layerlab-runtime", nil, []string{"CGO_ENABLED=0", "GOOS=linux"}},
		{"layerlab-helper", "./cmd/layerlab-helper", nil, []string{"CGO_ENABLED=0", "GOOS=linux"}},
		{"layerlab-egress", "./cmd/layerlab-egress", nil, []string{"CGO_ENABLED=0", "GOOS=linux"}},
		{"imagecore.wasm", "./cmd/imagecore-wasm", []string{"-buildmode=c-shared"}, []string{"GOOS=wasip1", "GOARCH=wasm"}},
	} {
		args := append([]string{"build", "-trimpath", "-o", filepath.Join(dir, b.out)}, b.args...)
		cmd := exec.Command("go", append(args, b.pkg)...)
		cmd.Dir = ".."
		cmd.Env = append(os.Environ(), b.env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", b.pkg, err, out)
			return 1
		}
	}
	return m.Run()
}

// modules is where all servers keep the guest's translation, which takes seconds.
func modules() string { return filepath.Join(bin, "modules") }

func params(dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("LAYERLAB_DATA", filepath.Join(env.WorkDir, "data"))
			env.Values[serverKey{}], env.Values[heldKey{}] = &scriptServer{}, new(net.Conn)
			env.Setenv("XDG_CACHE_HOME", filepath.Join(bin, "cache")) // of compiled modules
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "sandbox":
				return runtime.GOOS == "linux", nil
			case "docker":
				return canDocker(), nil
			case "corpus": // of images that others made
				return hasCorpus(), nil
			case "address": // of this host, beside loopback
				return hostAddress() != "", nil
			}
			if since, ok := strings.CutPrefix(name, "docker:"); ok { // its command line is of that version or a newer one
				return dockerSince(since)
			}
			return false, fmt.Errorf("unknown condition %s", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"image":    makeImage,
			"corpus":   corpusFile,
			"hostroot": hostRoot,
			"hostile":  makeHostile,
			"exits":    exits,
			"every":    everyCommand,
			"cut":      cutFile,
			"ids":      sameIDs,
			"diffids":  sameDiffIDs,
			"spoil":    spoil,
			"server":   startServer,
			"until":    untilItSays,
			"crash":    crashServer,
			"port":     freePort,
			"there":    standIn,
			"hold":     holdConnection,
			"same":     sameConfined,
			"for":      forEach,
		},
	}
}

func TestCommandLine(t *testing.T) { testscript.Run(t, params("testdata")) }

// makeImage writes an archive: image FORMAT[+gzip][+gziplayers] OUT LAYER… [-- LAYER…]…
// A layer is a file in imagetest's notation; a first line "#! COMMAND" is what
// the history says of it. The first image is
// test/image:latest, those after a -- are test/image-1:latest and so on.
func makeImage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: image FORMAT[+gzip][+gziplayers] OUT LAYER… [-- LAYER…]")
	}
	parts := strings.Split(args[0], "+")
	a := imagetest.Archive{Format: imagetest.Format(parts[0])}
	for i, layers := range split(args[2:], "--") {
		var text strings.Builder
		var commands []string
		for n, name := range layers {
			layer := ts.ReadFile(name)
			text.WriteString("-- layer --\n" + layer)
			if command, ok := strings.CutPrefix(layer, "#! "); ok {
				command, _, _ = strings.Cut(command, "\n")
				commands = append(commands, fmt.Sprintf("%q", fmt.Sprintf("layer %d", n)), fmt.Sprintf("%q", command))
			}
		}
		stack, err := imagetest.Parse(text.String())
		ts.Check(err)
		one := imagetest.One(a.Format, stack).Images[0]
		one.Edit = func(config []byte) []byte { return []byte(strings.NewReplacer(commands...).Replace(string(config))) }
		if i > 0 {
			one.Refs = []string{fmt.Sprintf("test/image-%d:latest", i)}
		}
		a.Images = append(a.Images, one)
	}
	for _, option := range parts[1:] {
		switch option {
		case "gzip":
			a.Gzip = true
		case "gziplayers":
			a.GzipLayers = true
		default:
			ts.Fatalf("unknown option %s", option)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), a.Bytes(), 0o644))
}

func split(args []string, at string) [][]string {
	groups := [][]string{nil}
	for _, a := range args {
		if a == at {
			groups = append(groups, nil)
		} else {
			groups[len(groups)-1] = append(groups[len(groups)-1], a)
		}
	}
	return groups
}

// makeHostile writes one of imagetest's hostile archives: hostile NAME OUT.
func makeHostile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hostile NAME OUT")
	}
	for _, h := range imagetest.HostileArchives() {
		if h.Name == args[0] {
			ts.Check(os.WriteFile(ts.MkAbs(args[1]), h.Bytes, 0o644))
			return
		}
	}
	ts.Fatalf("no hostile archive %s", args[0])
}

// exits runs a program that must end with an exit code: exits CODE PROGRAM
// ARG…. Its output is checked by stdout and stderr as exec's.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// everyCommand runs each archive command on an image with further arguments. It
// must end with the code, one line on standard error that has the words in it,
// and nothing on standard output: every CODE WORDS IMAGE ARG….
func everyCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: every CODE WORDS IMAGE ARG…")
	}
	code, words, image, more := args[0], args[1], args[2], args[3:]
	for _, name := range command.Names() {
		argv := append([]string{"layerlab", name}, more...)
		argv = append(argv, "--", image)
		switch name {
		case command.Why, command.Cat:
			argv = append(argv, "etc")
		case command.Flatten:
			argv = slices.Insert(argv, 2, "-o", "written")
		case command.Convert:
			argv = slices.Insert(argv, 2, "-o", "written", "--to", "oci")
		}
		exits(ts, false, append([]string{code}, argv...))
		said := ts.ReadFile("stderr")
		if !strings.HasPrefix(said, "layerlab: ") || strings.Count(said, "\n") != 1 || !strings.Contains(said, words) || ts.ReadFile("stdout") != "" {
			ts.Fatalf("%q prints %q, want one line with %q", argv, said, words)
		}
		if _, err := os.Stat(ts.MkAbs("written")); err == nil {
			ts.Fatalf("%q left a file", argv)
		}
	}
}

// cutFile keeps the first bytes of a file: cut FILE BYTES.
func cutFile(ts *testscript.TestScript, neg bool, args []string) {
	var n int64
	if _, err := fmt.Sscan(args[1], &n); neg || err != nil {
		ts.Fatalf("usage: cut FILE BYTES")
	}
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// ids wants the same image ids, diffIDs and chainIDs of all its arguments:
// ids IMAGE IMAGE….
func sameIDs(ts *testscript.TestScript, neg bool, args []string) {
	same(ts, neg, args, `"(id|diffID|chainID)":"[^"]*"`)
}

// diffids is ids without the image ids.
func sameDiffIDs(ts *testscript.TestScript, neg bool, args []string) {
	same(ts, neg, args, `"(diffID|chainID)":"[^"]*"`)
}

func same(ts *testscript.TestScript, neg bool, args []string, pattern string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: ids IMAGE IMAGE…")
	}
	want := ""
	for _, name := range args {
		ts.Check(ts.Exec("layerlab", "inspect", "--json", name))
		found := strings.Join(regexp.MustCompile(pattern).FindAllString(ts.ReadFile("stdout"), -1), "\n")
		if want == "" {
			want = found
		}
		if found == "" || found != want {
			ts.Fatalf("%s has\n%s\nwant\n%s", name, found, want)
		}
	}
}

// spoil changes a byte where a text stands last in a file: spoil FILE TEXT.
func spoil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: spoil FILE TEXT")
	}
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	i := bytes.LastIndex(b, []byte(args[1]))
	if i < 0 {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	b[i] ^= 0x20
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o644))
}

// sameConfined runs layerlab natively and with --sandbox; exit code, standard
// output and errors must be the same: same [--stdin FILE] COMMAND ARG….
func sameConfined(ts *testscript.TestScript, neg bool, args []string) {
	input := ""
	if len(args) > 2 && args[0] == "--stdin" {
		input, args = ts.ReadFile(args[1]), args[2:]
	}
	if neg || len(args) < 2 {
		ts.Fatalf("usage: same [--stdin FILE] COMMAND ARG…")
	}
	run := func(args ...string) string {
		cmd := exec.Command(filepath.Join(bin, "layerlab"), args...)
		cmd.Dir, cmd.Stdin = ts.MkAbs("."), strings.NewReader(input)
		cmd.Env = []string{"HOME=" + ts.MkAbs("."), "XDG_CACHE_HOME=" + ts.Getenv("XDG_CACHE_HOME"), "LAYERLAB_DATA=" + ts.Getenv("LAYERLAB_DATA"), "DOCKER_HOST=" + ts.Getenv("DOCKER_HOST")}
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
			ts.Fatalf("%v: %v", args, err)
		}
		return fmt.Sprintf("exit %d\n%s\n%s", cmd.ProcessState.ExitCode(), &stderr, &stdout)
	}
	native, confined := run(args...), run(append([]string{args[0], "--sandbox"}, args[1:]...)...)
	if native != confined {
		ts.Fatalf("%v\n%s\nand in the sandbox\n%s", args, native, confined)
	}
	if strings.Contains(native, "unknown flag") || strings.Contains(native, "unknown command") {
		ts.Fatalf("%v\n%s", args, native)
	}
}

// forEach keeps a list of files, or does `same` for each of them in the place
// of {}: for FILE…, then for -- COMMAND ARG….
func forEach(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 || args[0] != "--" {
		ts.Setenv("FILES", strings.Join(args, " "))
		return
	}
	for file := range strings.FieldsSeq(ts.Getenv("FILES")) {
		one := make([]string, len(args)-1)
		for i, arg := range args[1:] {
			one[i] = strings.ReplaceAll(arg, "{}", file)
		}
		sameConfined(ts, neg, one)
	}
}
