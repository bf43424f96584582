package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// pending says why a row of the list of commands has no case yet.
var pending = []struct {
	from, to int
	reason   string
}{
	{46, 49, "building needs the builder"},
	{50, 59, "pulling, pushing and logging in need the registry"},
	{61, 61, "manifests of a registry need the registry"},
}

// TestCommands runs a case for each row R1–R62 of the commands that layerlab
// serves: testdata/commands/R<n>.txtar.
func TestCommands(t *testing.T) {
	for n := 1; n <= 62; n++ {
		name := fmt.Sprintf("R%d", n)
		path := filepath.Join("testdata", "commands", name+".txtar")
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait more than they work
			if _, err := os.Stat(path); err == nil {
				p := params("")
				p.Files = []string{path}
				testscript.Run(t, p)
				return
			}
			for _, row := range pending {
				if row.from <= n && n <= row.to {
					t.Skip(row.reason)
				}
			}
			t.Errorf("neither a case %s nor a reason why there is none", path)
		})
	}
	files, err := filepath.Glob(filepath.Join("testdata", "commands", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := filepath.Base(file); !strings.HasPrefix(name, "R") || !strings.HasSuffix(name, ".txtar") {
			t.Errorf("%s is no row's case", file)
		}
	}
}
