package wire_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/audit/account"
	"github.com/layerlab/layerlab/imagecore/elf"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

var update = flag.Bool("update", false, "write web/src/core/wire.ts")

// target is the file that the page's TypeScript imports.
var target = filepath.FromSlash("../../../web/src/core/wire.ts")

// roots are the types that the page sees; what they refer to follows by itself.
var roots = []any{
	wire.Error{},
	wire.Image{},
	wire.ImageList{},
	wire.ArchiveFiles{},
	wire.Container{},
	wire.ContainerList{},
	wire.CreateContainer{},
	wire.NewContainer{},
	wire.CreatedContainer{},
	wire.RenameContainer{},
	wire.TagImage{},
	wire.PruneImages{},
	wire.ActivityList{},
	wire.StopContainer{},
	wire.KillContainer{},
	wire.CommitContainer{},
	wire.ExecContainer{},
	wire.Exec{},
	wire.Change{},
	wire.Changes{},
	wire.Event{},
	wire.Action{},
	wire.NamedImage{},
	wire.UploadProgress{},
	wire.SessionRequest{},
	wire.Session{},
	wire.TicketRequest{},
	wire.Ticket{},
	wire.Control{},
	wire.NewRecording{},
	wire.Recording{},
	wire.RecordingList{},
	wire.NewShare{},
	wire.Share{},
	wire.CreatedShare{},
	wire.ShareList{},
	wire.SharedRequest{},
	wire.SharedTerminal{},
	wire.Info{},
	wire.Facts{},
	wire.Volume{},
	wire.VolumeList{},
	wire.CreateVolume{},
	wire.PruneVolumes{},
	wire.Pruned{},
	wire.NetworkList{},
	wire.CreateNetwork{},
	wire.ConnectNetwork{},
	wire.DisconnectNetwork{},
	wire.ContainerNetwork{},
	imagecore.Report{},
	account.Account{},
	elf.Binary{},
}

// unions are the groups of string constants of the package, by the prefix of their
// names, and the type that TypeScript knows them by.
var unions = []struct{ prefix, name string }{
	{"State", "ContainerState"},
	{"Event", "EventKind"},
	{"Upload", "UploadPhase"},
	{"Archive", "ArchiveKind"},
	{"Ended", "RecordingEnd"},
	{"Role", "ShareRole"},
}

// narrow says which string fields hold one of a closed set of values.
var narrow = map[string]string{
	"Container.State":      "ContainerState",
	"Event.Kind":           "EventKind",
	"UploadProgress.Phase": "UploadPhase",
	"ArchiveFile.Kind":     "ArchiveKind",
	"Change.Kind":          "'A' | 'C' | 'D'",
	"Recording.Ended":      "RecordingEnd | ''",
	"NewShare.Role":        "ShareRole",
	"Share.Role":           "ShareRole",
	"CreatedShare.Role":    "ShareRole",
	"SharedTerminal.Role":  "ShareRole",
	"Control.Type":         "'resize' | 'ack' | 'ready' | 'exit' | 'error'",
}

// TestTypeScriptTypesFollowTheGoTypes writes the page's types with -update and
// otherwise compares them, so that neither side is ever typed by hand.
func TestTypeScriptTypesFollowTheGoTypes(t *testing.T) {
	got := generate(t)
	if *update {
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the Go types say: run go test ./server/labapi/wire -update", target)
	}
}

// TestEveryExportedTypeIsGenerated keeps a new type of the package from being
// forgotten in roots.
func TestEveryExportedTypeIsGenerated(t *testing.T) {
	out := string(generate(t))
	for _, d := range declarations(t) {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, s := range g.Specs {
			name := s.(*ast.TypeSpec).Name.Name
			if !strings.Contains(out, "export interface "+name+" {") && !strings.Contains(out, "export interface Api"+name+" {") {
				t.Errorf("type %s is not in wire.ts: add it to roots", name)
			}
		}
	}
}

// The code that makes a list fills it, so that no nil slice is sent as null and
// the page need not ask; here the generated types are held to that.
func TestListsAndMapsAreNeverNullInTypeScript(t *testing.T) {
	for _, line := range strings.Split(string(generate(t)), "\n") {
		if strings.Contains(line, "[] | null") || strings.Contains(line, "> | null") {
			t.Errorf("nullable list: %s", line)
		}
	}
}

// declarations lists those of the package's files, tests left out.
func declarations(t *testing.T) []ast.Decl {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var out []ast.Decl
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f.Decls...)
	}
	return out
}

func generate(t *testing.T) []byte {
	t.Helper()
	w := &writer{seen: map[reflect.Type]bool{}, used: map[string]bool{}}
	w.out.WriteString("// Made from the Go types of server/labapi/wire and imagecore by\n" +
		"// go test ./server/labapi/wire -update; do not edit.\n" +
		"// Times are RFC 3339 in UTC, sizes are bytes.\n")
	consts := constants(t)
	for _, u := range unions {
		var values []string
		for _, c := range consts {
			if strings.HasPrefix(c.name, u.prefix) {
				values = append(values, "'"+c.value+"'")
			}
		}
		if len(values) == 0 {
			t.Fatalf("no constant begins with %s", u.prefix)
		}
		fmt.Fprintf(&w.out, "\nexport type %s =\n  | %s;\n", u.name, strings.Join(values, "\n  | "))
	}
	for _, r := range roots {
		w.add(reflect.TypeOf(r))
	}
	for len(w.queue) > 0 {
		next := w.queue[0]
		w.queue = w.queue[1:]
		w.define(t, next)
	}
	for field := range narrow {
		if !w.used[field] {
			t.Errorf("narrow names %s, which is no field", field)
		}
	}
	return w.out.Bytes()
}

type constant struct{ name, value string }

func constants(t *testing.T) []constant {
	t.Helper()
	var out []constant
	for _, d := range declarations(t) {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			lit, ok := v.Values[0].(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				continue
			}
			value, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, constant{v.Names[0].Name, value})
		}
	}
	return out
}

type writer struct {
	out   bytes.Buffer
	queue []reflect.Type
	seen  map[reflect.Type]bool
	used  map[string]bool // fields of narrow that were met
}

func (w *writer) add(t reflect.Type) {
	if !w.seen[t] {
		w.seen[t] = true
		w.queue = append(w.queue, t)
	}
}

// define writes the interface of one struct.
func (w *writer) define(t *testing.T, typ reflect.Type) {
	fmt.Fprintf(&w.out, "\nexport interface %s {\n", w.name(typ))
	for _, f := range fields(typ) {
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			t.Fatalf("%s.%s has no json name", typ, f.Name)
		}
		words := strings.Split(opts, ",")
		optional := slices.Contains(words, "omitempty") || slices.Contains(words, "omitzero")
		ts := w.typescript(t, f.Type, !optional)
		if n, ok := narrow[typ.Name()+"."+f.Name]; ok {
			ts = n
			w.used[typ.Name()+"."+f.Name] = true
		}
		mark := ""
		if optional {
			mark = "?"
		}
		fmt.Fprintf(&w.out, "  %s%s: %s;\n", name, mark, ts)
	}
	w.out.WriteString("}\n")
}

// fields lists the fields that encoding/json sees: those of embedded structs
// in their place, none tagged "-".
func fields(typ reflect.Type) []reflect.StructField {
	var out []reflect.StructField
	for i := range typ.NumField() {
		f := typ.Field(i)
		switch tag := f.Tag.Get("json"); {
		case f.Anonymous && tag == "":
			out = append(out, fields(f.Type)...)
		case tag == "-" || !f.IsExported():
		default:
			out = append(out, f)
		}
	}
	return out
}

// name is the TypeScript name of a struct. imagecore's Image would clash with
// the store's, so the former carries its package's role; Error and Event would
// hide the browser's own.
func (w *writer) name(typ reflect.Type) string {
	if typ == reflect.TypeFor[wire.Error]() || typ == reflect.TypeFor[wire.Event]() {
		return "Api" + typ.Name()
	}
	if strings.HasSuffix(typ.PkgPath(), "/imagecore") && typ.Name() != "Report" {
		return "Report" + typ.Name()
	}
	return typ.Name()
}

// typescript words a Go type. A pointer is null where it is always sent.
func (w *writer) typescript(t *testing.T, typ reflect.Type, sent bool) string {
	switch typ {
	case reflect.TypeFor[time.Time]():
		return "string"
	case reflect.TypeFor[json.RawMessage]():
		return "unknown"
	}
	switch typ.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float64:
		return "number"
	case reflect.Pointer:
		if sent {
			return w.typescript(t, typ.Elem(), true) + " | null"
		}
		return w.typescript(t, typ.Elem(), true)
	case reflect.Slice:
		return w.typescript(t, typ.Elem(), true) + "[]"
	case reflect.Map:
		return "Record<string, " + w.typescript(t, typ.Elem(), true) + ">"
	case reflect.Struct:
		w.add(typ)
		return w.name(typ)
	}
	t.Fatalf("no TypeScript for %s", typ)
	return ""
}
