//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
)

// table prints results and judges them.
type table struct {
	subjects []subject
	causes   map[string]string
	silent   []string
	count    map[string]map[verdict]int
	errors   []string
	alone    []string // pass with ours and with no other
	cannot   []string // pass with ours not
	started  bool
}

func (t *table) add(program string, l []result) {
	if !t.started {
		t.started, t.count = true, map[string]map[verdict]int{}
		fmt.Printf("%-36s", "program")
		for _, s := range t.subjects {
			t.count[s.name] = map[verdict]int{}
			fmt.Printf("%-10s", s.name)
		}
		fmt.Println()
	}
	fmt.Printf("%-36s", program)
	others := 0
	for i, r := range l {
		if r.verdict == mute && !slices.Contains(t.silent, program) {
			// It had something to assert and did not come to it.
			r.verdict = fails
			l[i] = r
		}
		t.count[t.subjects[i].name][r.verdict]++
		fmt.Printf("%-10s", r.verdict)
		if i > 0 && r.verdict != fails {
			others++
		}
	}
	fmt.Println()
	ours := l[0]
	switch {
	case ours.verdict != fails && others == 0 && len(l) > 1:
		t.alone = append(t.alone, program)
	case ours.verdict == fails && strings.HasPrefix(t.causes[program], "race: "):
		// Whoever passes it was slow enough.
	case ours.verdict == fails && others > 0:
		t.errors = append(t.errors, fmt.Sprintf("%s passes elsewhere:\n%s", program, ours.output))
	case ours.verdict == fails && t.causes[program] == "":
		t.errors = append(t.errors, fmt.Sprintf("%s does not pass, and causes.txt does not say why:\n%s", program, ours.output))
	}
	if ours.verdict == fails {
		t.cannot = append(t.cannot, program)
	}
}

func (t *table) finish() error {
	fmt.Println()
	for _, s := range t.subjects {
		c := t.count[s.name]
		fmt.Printf("%-10s %d pass, %d more pass and assert nothing, %d do not pass\n", s.name, c[passes], c[mute], c[fails])
	}
	fmt.Printf("pass with layerlab-runtime alone: %s\n", strings.Join(t.alone, " "))
	for _, p := range t.cannot {
		fmt.Printf("%s: %s\n", p, t.causes[p])
	}
	if len(t.errors) > 0 {
		return fmt.Errorf("%d programs:\n%s", len(t.errors), strings.Join(t.errors, "\n"))
	}
	return nil
}
