package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLinesNameWhatIsNotMet(t *testing.T) {
	c := comparison{work: "some work", peer: 1, subjects: []subject{{name: "ours", want: 0.5}, {name: "theirs"}, {name: "floor"}}}
	for _, x := range []struct {
		ours time.Duration
		cut  bool
		want []string
	}{
		{100 * time.Millisecond, false, []string{"| some work | ours | 0.100 | 0.050 | 12 | 1/20 | 1/20 | ≤ 0.50: met |"}},
		{1500 * time.Millisecond, false, []string{"| 1.50 | 0.750 | 12 | 0.75 | 0.75 | ≤ 0.50: **not met** |"}},
		{100 * time.Millisecond, true, []string{"| < 1/20 | < 1/20 |", "|  | theirs, once | > 2.00 | > 1.00 | 0 |"}},
	} {
		got := lines(c, []result{
			{wall: x.ours, cpu: x.ours / 2, memory: 12_300_000, rounds: 3},
			{wall: 2 * time.Second, cpu: time.Second, rounds: 1, cut: x.cut},
			{wall: time.Second, cpu: time.Second, rounds: 3},
		})
		for _, want := range x.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s\nlacks %s", got, want)
			}
		}
	}
}

func TestWithoutAPeerNothingIsWanted(t *testing.T) {
	c := comparison{subjects: []subject{{name: "ours", want: 0.5}}}.against(subject{name: "theirs", argv: []string{""}}, subject{name: "floor"})
	if len(c.subjects) != 2 || c.peer != -1 {
		t.Fatalf("%+v", c)
	}
	if got := lines(c, make([]result, 2)); strings.Contains(got, "met") {
		t.Error(got)
	}
}

func TestProcessorIsRead(t *testing.T) {
	model, flags := processor([]byte("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: fpu sha_ni avx2\nprocessor\t: 1\nflags\t\t: fpu vaes\n"))
	if model != "Some CPU @ 2 GHz" || !slices.Equal(flags, []string{"sha_ni", "avx2"}) {
		t.Errorf("%q %q", model, flags)
	}
}

func TestSubjectsTakeTurns(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	sh := func(text string) []string { return []string{"sh", "-c", text, "sh", log} }
	c := comparison{subjects: []subject{
		{argv: sh(`echo a >>"$1"`)},
		{argv: sh(`echo b >>"$1"; exit 3`), fails: true},
	}, before: sh(`echo begin >>"$1"`), peer: -1}
	for _, x := range []struct {
		budget time.Duration
		want   string
	}{{time.Hour, "begin\na\nb\na\nb\n"}, {0, "begin\na\nb\n"}} {
		results, err := measure(context.Background(), options{rounds: 2, budget: x.budget, patience: time.Hour}, c)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(log); err != nil || string(got) != x.want {
			t.Errorf("budget %s: %q, %v", x.budget, got, err)
		}
		if r := results[0]; r.cut || r.memory == 0 || r.wall == 0 {
			t.Errorf("%+v", r)
		}
		if err := os.Remove(log); err != nil {
			t.Fatal(err)
		}
	}
	c.subjects = []subject{{argv: sh("exit 3")}}
	if _, err := measure(context.Background(), options{rounds: 1, patience: time.Hour}, c); err == nil {
		t.Error("a program that failed was measured")
	}
}

func TestPatienceEnds(t *testing.T) {
	c := comparison{subjects: []subject{{argv: []string{"tail", "-f", os.DevNull}}}, peer: -1}
	results, err := measure(context.Background(), options{rounds: 1, patience: time.Millisecond}, c)
	if err != nil || !results[0].cut {
		t.Errorf("%+v, %v", results, err)
	}
}
