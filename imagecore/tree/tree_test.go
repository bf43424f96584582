package tree_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// render builds a stack and renders its top, or "refused WHY".
func render(t *testing.T, s imagetest.Stack, lens tree.Lens) (string, *tree.Tree) {
	t.Helper()
	layers, tars := s.Layers()
	tr, err := tree.Build(layers, lens)
	if err != nil {
		var e *imagecore.Error
		if !errors.As(err, &e) || e.Code != "engine-refuses" {
			t.Fatalf("Build: %v", err)
		}
		if e.Layer < 0 || e.Entry == "" || e.Offset < 0 {
			t.Errorf("the refusal does not say where: %v", err)
		}
		return "refused " + e.Args["reason"] + "\n", nil
	}
	text, err := imagetest.ViewLines(tr.Top(), imagetest.Opener(tars))
	if err != nil {
		t.Fatal(err)
	}
	return text, tr
}

func TestEachLensShowsItsEnginesTree(t *testing.T) {
	cases := imagetest.EngineCases()
	if len(cases) != 24 {
		t.Fatalf("there are %d cases, want 24", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			_, spec := render(t, c.Stack, tree.Spec)
			warned := map[string]bool{}
			for _, w := range spec.Warnings() {
				for _, l := range strings.Fields(w.Args["lenses"]) {
					warned[l] = true
				}
				if w.Layer < 0 || w.Entry == "" || w.Message == "" {
					t.Errorf("warning without a place: %+v", w)
				}
			}
			for _, lens := range tree.Lenses() {
				got, _ := render(t, c.Stack, lens)
				if want := c.Trees[string(lens)]; got != want {
					t.Errorf("%s shows\n%swant\n%s", lens, got, want)
				}
				differs := c.Trees[string(lens)] != c.Trees[string(tree.Spec)]
				if differs != warned[string(lens)] {
					t.Errorf("%s differs: %v, warned of: %v (%+v)", lens, differs, warned[string(lens)], spec.Warnings())
				}
			}
		})
	}
}

const randomStacks = 500

func TestRandomStacksAgreeWithTheOracle(t *testing.T) {
	for seed := range uint64(randomStacks) {
		s := imagetest.Random(seed)
		layers, tars := s.Layers()
		tr, err := tree.Build(layers, tree.Spec)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, s)
		}
		for n := range len(s) + 1 {
			got, err := imagetest.ViewLines(tr.View(n), imagetest.Opener(tars))
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if want := imagetest.Lines(imagetest.Oracle(s, n)); got != want {
				t.Fatalf("seed %d after %d layers:\n%swant\n%s\n%s", seed, n, got, want, s)
			}
		}
	}
}

func TestSpecWarnsOfEveryLensThatDiffers(t *testing.T) {
	for seed := range uint64(randomStacks) {
		s := imagetest.Random(seed)
		want, spec := render(t, s, tree.Spec)
		warned := ""
		for _, w := range spec.Warnings() {
			warned += " " + w.Args["lenses"]
		}
		for _, lens := range tree.Lenses()[1:] {
			if got, _ := render(t, s, lens); got != want && !strings.Contains(warned, string(lens)) {
				t.Errorf("seed %d: %s shows\n%sthe specification\n%sand no warning says so: %+v\n%s", seed, lens, got, want, spec.Warnings(), s)
			}
		}
	}
}
