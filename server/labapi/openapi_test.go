package labapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"go.yaml.in/yaml/v3"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/audit/account"
	"github.com/layerlab/layerlab/imagecore/elf"
	"github.com/layerlab/layerlab/server/labapi"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

var update = flag.Bool("update", false, "write the schemas of openapi.yaml")

const schemasMark = "  schemas:\n"

type document struct {
	Paths      map[string]map[string]yaml.Node `yaml:"paths"`
	Components struct {
		Schemas map[string]yaml.Node `yaml:"schemas"`
	} `yaml:"components"`
}

// TestOpenAPIDescribesExactlyTheRoutes compares echo's routes with the paths
// of openapi.yaml, both ways.
func TestOpenAPIDescribesExactlyTheRoutes(t *testing.T) {
	e := echo.New()
	labapi.New(labapi.Deps{Images: &fakeImages{}, Containers: fakeContainers{}, Networks: fakeNetworks{}, Recordings: fakeRecordings{}, Shares: fakeShares{}}).Register(e.Group(labapi.Prefix))
	var routes []string
	param := regexp.MustCompile(`:(\w+)`)
	for _, r := range e.Routes() {
		if r.Method == echo.RouteNotFound {
			continue
		}
		path := strings.TrimPrefix(param.ReplaceAllString(r.Path, "{$1}"), labapi.Prefix)
		routes = append(routes, strings.ToLower(r.Method)+" "+path)
	}
	var doc document
	if err := yaml.Unmarshal(labapi.OpenAPI(), &doc); err != nil {
		t.Fatal(err)
	}
	var described []string
	for path, item := range doc.Paths {
		for method := range item {
			if method != "parameters" {
				described = append(described, method+" "+path)
			}
		}
	}
	slices.Sort(routes)
	slices.Sort(described)
	for _, r := range routes {
		if !slices.Contains(described, r) {
			t.Errorf("route without a description: %s", r)
		}
	}
	for _, d := range described {
		if !slices.Contains(routes, d) {
			t.Errorf("description without a route: %s", d)
		}
	}
	if len(routes) < 25 {
		t.Errorf("only %d routes: is a group missing?", len(routes))
	}
}

// TestOpenAPIReferencesResolve finds a schema, response or parameter that is
// named and not there.
func TestOpenAPIReferencesResolve(t *testing.T) {
	var doc any
	if err := yaml.Unmarshal(labapi.OpenAPI(), &doc); err != nil {
		t.Fatal(err)
	}
	refs := regexp.MustCompile(`\$ref: '#/([^']+)'`).FindAllStringSubmatch(string(labapi.OpenAPI()), -1)
	if len(refs) == 0 {
		t.Fatal("no references found")
	}
	for _, ref := range refs {
		at := doc
		for _, key := range strings.Split(ref[1], "/") {
			m, _ := at.(map[string]any)
			at = m[key]
		}
		if at == nil {
			t.Errorf("nothing at %s", ref[1])
		}
	}
}

// TestOpenAPISchemasFollowTheGoTypes holds the schemas against the wire types;
// -update writes them.
func TestOpenAPISchemasFollowTheGoTypes(t *testing.T) {
	have := labapi.OpenAPI()
	head, _, ok := bytes.Cut(have, []byte(schemasMark))
	if !ok {
		t.Fatal("openapi.yaml has no schemas")
	}
	want := append(append(bytes.Clone(head), schemasMark...), schemas(t)...)
	if *update {
		if err := os.WriteFile("openapi.yaml", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(have, want) {
		t.Error("the schemas are not what the Go types say: run go test ./server/labapi -run Schemas -update")
	}
}

func schemas(t *testing.T) string {
	t.Helper()
	queue := []reflect.Type{}
	for _, v := range []any{
		wire.Error{},
		wire.ImageList{},
		wire.ArchiveFiles{},
		wire.ContainerList{},
		wire.NewContainer{},
		wire.CreatedContainer{},
		wire.RenameContainer{},
		wire.TagImage{},
		wire.PruneImages{},
		wire.ActivityList{},
		wire.VolumeList{},
		wire.PruneVolumes{},
		wire.Pruned{},
		wire.NetworkList{},
		wire.CreateNetwork{},
		wire.ConnectNetwork{},
		wire.DisconnectNetwork{},
		wire.CreateVolume{},
		wire.StopContainer{},
		wire.KillContainer{},
		wire.CommitContainer{},
		wire.ExecContainer{},
		wire.Exec{},
		wire.Changes{},
		wire.Facts{},
		wire.Event{},
		wire.UploadProgress{},
		wire.SessionRequest{},
		wire.Session{},
		wire.TicketRequest{},
		wire.Ticket{},
		wire.Control{},
		wire.NewRecording{},
		wire.RecordingList{},
		wire.NewShare{},
		wire.CreatedShare{},
		wire.ShareList{},
		wire.SharedRequest{},
		wire.SharedTerminal{},
		wire.Info{},
		imagecore.Report{},
		account.Account{},
		elf.Binary{},
	} {
		queue = append(queue, reflect.TypeOf(v))
	}
	var out strings.Builder
	seen := map[reflect.Type]bool{}
	for len(queue) > 0 {
		typ := queue[0]
		queue = queue[1:]
		if seen[typ] {
			continue
		}
		seen[typ] = true
		var required, props []string
		for _, f := range jsonFields(typ) {
			name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
			schema, more := schemaOf(t, f.Type)
			queue = append(queue, more...)
			if !strings.Contains(opts, "omit") {
				required = append(required, name)
				if f.Type.Kind() == reflect.Pointer {
					schema = "{anyOf: [" + schema + ", {type: 'null'}]}"
				}
			}
			props = append(props, fmt.Sprintf("        %s: %s\n", name, schema))
		}
		fmt.Fprintf(&out, "    %s:\n      type: object\n", schemaName(typ))
		if len(required) > 0 {
			fmt.Fprintf(&out, "      required: [%s]\n", strings.Join(required, ", "))
		}
		out.WriteString("      properties:\n" + strings.Join(props, ""))
	}
	return out.String()
}

func jsonFields(typ reflect.Type) []reflect.StructField {
	var out []reflect.StructField
	for i := range typ.NumField() {
		f := typ.Field(i)
		switch tag := f.Tag.Get("json"); {
		case f.Anonymous && tag == "":
			out = append(out, jsonFields(f.Type)...)
		case tag == "-":
		default:
			out = append(out, f)
		}
	}
	return out
}

func schemaName(typ reflect.Type) string {
	if strings.HasSuffix(typ.PkgPath(), "/imagecore") && typ.Name() != "Report" {
		return "Report" + typ.Name()
	}
	return typ.Name()
}

func schemaOf(t *testing.T, typ reflect.Type) (string, []reflect.Type) {
	t.Helper()
	switch typ {
	case reflect.TypeFor[time.Time]():
		return "{type: string, format: date-time}", nil
	case reflect.TypeFor[json.RawMessage]():
		return "{}", nil
	}
	switch typ.Kind() {
	case reflect.String:
		return "{type: string}", nil
	case reflect.Bool:
		return "{type: boolean}", nil
	case reflect.Int, reflect.Int64, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "{type: integer}", nil
	case reflect.Float64:
		return "{type: number}", nil
	case reflect.Pointer:
		return schemaOf(t, typ.Elem())
	case reflect.Slice:
		s, more := schemaOf(t, typ.Elem())
		return "{type: array, items: " + s + "}", more
	case reflect.Map:
		s, more := schemaOf(t, typ.Elem())
		return "{type: object, additionalProperties: " + s + "}", more
	case reflect.Struct:
		return "{$ref: '#/components/schemas/" + schemaName(typ) + "'}", []reflect.Type{typ}
	}
	t.Fatalf("no schema for %s", typ)
	return "", nil
}
