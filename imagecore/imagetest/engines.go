package imagetest

import (
	"embed"
	"strings"

	"golang.org/x/tools/txtar"
)

//go:embed engines/*.txtar
var engines embed.FS

// EngineCase is a small image with the trees that engines make of it, measured
// with Docker 20.10 (overlay2), containerd 1.6 (overlayfs) and umoci 0.4.7,
// and the one that the specification's rules give.
type EngineCase struct {
	Name  string
	Stack Stack
	// Trees has, for each lens, the lines of Lines, or one line
	// "refused WHY" where the engine refuses the image.
	Trees map[string]string
}

// EngineCases returns the cases, sorted by name.
func EngineCases() []EngineCase {
	files, err := engines.ReadDir("engines")
	if err != nil {
		panic(err) // embedded
	}
	var cases []EngineCase
	for _, f := range files {
		text, err := engines.ReadFile("engines/" + f.Name())
		if err != nil {
			panic(err)
		}
		c := EngineCase{Name: strings.TrimSuffix(f.Name(), ".txtar"), Stack: MustParse(string(text)), Trees: map[string]string{}}
		for _, part := range txtar.Parse(text).Files {
			if part.Name == "layer" {
				continue
			}
			for _, lens := range strings.Fields(part.Name) {
				c.Trees[lens] = string(part.Data)
			}
		}
		cases = append(cases, c)
	}
	return cases
}
