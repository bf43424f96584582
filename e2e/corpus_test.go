package e2e_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore/command"
	"github.com/layerlab/layerlab/imagecore/imagetest/real"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestExitCodesOfTheCorpus runs the program on real archives: the exit code of
// each command on each file is a line of testdata/corpus/exits.txt, and whoever
// ends otherwise than with 0 or 1 has said why in one line. Every eighth file has
// its turn; all of them with LAYERLAB_CORPUS_ALL.
func TestExitCodesOfTheCorpus(t *testing.T) {
	dir, err := real.Dir()
	if err != nil {
		t.Skip(err)
	}
	names, err := real.Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "corpus", "exits.txt")
	known := map[string]string{}
	if raw, err := os.ReadFile(golden); err == nil {
		for line := range strings.Lines(string(raw)) {
			name, codes, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			known[name] = codes
		}
	} else if !*update {
		t.Fatal(err)
	}
	all := *update || os.Getenv("LAYERLAB_CORPUS_ALL") != ""
	var lines strings.Builder
	tested := 0
	for i, name := range names {
		if !all && i%8 != 3 {
			continue
		}
		tested++
		var codes []string
		for _, args := range [][]string{
			{command.Inspect},
			{command.Verify},
			{command.Tree},
			{command.Diff, "--summary"},
			{command.Waste, "--no-contents"},
			{command.CI},
			{command.Why, "--", "", "no/such/path"},
		} {
			codes = append(codes, fmt.Sprintf("%s %d", args[0], exitOf(t, filepath.Join(dir, name), args)))
		}
		line := strings.Join(codes, ", ")
		fmt.Fprintf(&lines, "%s\t%s\n", name, line)
		if known[name] != line && !*update {
			t.Errorf("%s: %s, want %s", name, line, known[name])
		}
	}
	if *update {
		if err := os.WriteFile(golden, []byte(lines.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if len(known) != len(names) {
		t.Errorf("%d files, %d lines in %s: see -update", len(names), len(known), golden)
	}
	t.Logf("%d of %d files", tested, len(names))
}

// exitOf runs a command on an archive; "" among its arguments stands for it, else
// it comes last.
func exitOf(t *testing.T, file string, args []string) int {
	t.Helper()
	argv, named := []string{}, false
	for _, a := range args {
		if a == "" {
			a, named = file, true
		}
		argv = append(argv, a)
	}
	if !named {
		argv = append(argv, file)
	}
	cmd := exec.Command(filepath.Join(bin, "layerlab"), argv...)
	var said strings.Builder
	cmd.Stderr = &said
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatal(err)
	}
	code := cmd.ProcessState.ExitCode()
	if told := said.String(); (code > 1) != (strings.HasPrefix(told, "layerlab: ") && strings.Count(told, "\n") == 1) || strings.Contains(told, "panic") {
		t.Errorf("%v: exit code %d and %q", argv, code, told)
	}
	return code
}
