//go:build linux

// Command oci runs the validation programs of OCI's runtime-tools against
// layerlab-runtime and, in the same run, against the runc and crun that are
// installed, and prints a table.
//
//	oci [-runtime FILE] [-only REGEXP] [-v]
//
// A program passes if it exits with 0 and no line says "not ok". One that passes
// without having asserted anything is counted apart. The run fails if a program
// that runc or crun passes does not pass with layerlab-runtime, or if one that
// does not pass has no cause in causes.txt.
//
// The programs run one at a time: they share names of cgroups.
package main

import (
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// suite is where the programs come from; go.mod pins them.
const suite = "github.com/opencontainers/runtime-tools"

// causes says why a program does not pass, a line each: NAME: CAUSE.
//
//go:embed causes.txt
var causes string

// silent are the programs that assert nothing: they drop the error of what they
// run.
//
//go:embed silent.txt
var silent string

func main() {
	runtime := flag.String("runtime", "../../bin/layerlab-runtime", "the runtime to test")
	only := flag.String("only", ".", "regular expression of the programs to run")
	verbose := flag.Bool("v", false, "print what failing programs say")
	flag.Parse()
	if err := run(*runtime, *only, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "oci:", err)
		os.Exit(1)
	}
}

func run(runtime, only string, verbose bool) error {
	if os.Getuid() != 0 {
		return errors.New("needs root: it makes namespaces and cgroups")
	}
	want, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	runtime, err = filepath.Abs(runtime)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "layerlab-oci-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // containers with another root walk through it
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, "roots"), 0o700); err != nil {
		return err
	}
	programs, err := build(dir)
	if err != nil {
		return err
	}
	programs = slices.DeleteFunc(programs, func(p string) bool { return !want.MatchString(p) })
	subjects, err := subjects(dir, runtime)
	if err != nil {
		return err
	}
	t := table{subjects: subjects, causes: pairs(causes), silent: strings.Fields(silent)}
	for _, p := range programs {
		var l []result
		for _, s := range subjects {
			r := s.validate(dir, p)
			l = append(l, r)
			if verbose && r.verdict == fails {
				fmt.Printf("--- %s with %s: %s\n%s\n", p, s.name, r.verdict, r.output)
			}
		}
		t.add(p, l)
	}
	return t.finish()
}

// build builds all programs into a folder, with the root file system that they
// expect beside them, and returns their names.
func build(dir string) ([]string, error) {
	out, err := command("go", "list", "-f", `{{if eq .Name "main"}}{{.ImportPath}}{{end}}`, suite+"/validation/...").Output()
	if err != nil {
		return nil, fmt.Errorf("list the programs of %s: %w", suite, err)
	}
	paths := strings.Fields(string(out))
	args := append([]string{"build", "-trimpath", "-o", dir + "/", suite + "/cmd/runtimetest"}, paths...)
	if out, err := command("go", args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the programs: %w: %s", err, out)
	}
	where, err := command("go", "list", "-m", "-f", "{{.Dir}}", suite).Output()
	if err != nil {
		return nil, err
	}
	archives, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(where)), "rootfs-*.tar.gz"))
	if err != nil {
		return nil, err
	}
	for _, a := range archives {
		b, err := os.ReadFile(a)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(a)), b, 0o644); err != nil {
			return nil, err
		}
	}
	var names []string
	for _, p := range paths {
		names = append(names, filepath.Base(p))
	}
	return names, nil
}

func command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	return c
}

// pairs reads lines of NAME: TEXT.
func pairs(text string) map[string]string {
	m := map[string]string{}
	for _, l := range strings.Split(text, "\n") {
		if k, v, ok := strings.Cut(l, ": "); ok && !strings.HasPrefix(l, "#") {
			m[k] = v
		}
	}
	return m
}
