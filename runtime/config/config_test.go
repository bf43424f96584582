package config

import (
	"encoding/json"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// fill sets every field that a value can reach to something that tells it from
// all others.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString("s\"\\\t\u00e9<" + strconv.Itoa(*n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(-int64(*n % 100))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n % 200))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(k, n)
			fill(e, n)
			v.SetMapIndex(k, e)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Anonymous {
				for j := range f.Type.NumField() {
					fill(v.FieldByName(f.Type.Field(j).Name), n)
				}
			} else if f.IsExported() {
				fill(v.Field(i), n)
			}
		}
	}
}

func filled(t testing.TB) []byte {
	t.Helper()
	var s specs.Spec
	n := 0
	fill(reflect.ValueOf(&s).Elem(), &n)
	s.Windows.CredentialSpec = nil // any JSON at all: not understood
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// agree holds what we read against what encoding/json reads.
func agree(t *testing.T, b []byte) {
	t.Helper()
	var want specs.Spec
	wantErr := json.Unmarshal(b, &want)
	got, err := Spec(b)
	if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
		t.Fatalf("%q: error %v, want %v", b, err, wantErr)
	}
	if err == nil && !reflect.DeepEqual(*got, want) {
		a, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		t.Fatalf("%q\n got %s\nwant %s", b, a, w)
	}
}

func TestEveryFieldIsRead(t *testing.T) {
	b := filled(t)
	agree(t, b)
	var s specs.Spec
	if !fast(b, func(d *decoder) { d.Spec(&s) }) {
		t.Error("the fast decoder did not understand a complete spec")
	}
	p, err := json.Marshal(s.Process)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Process(p)
	if err != nil || !reflect.DeepEqual(got, s.Process) {
		t.Errorf("process: %v %+v", err, got)
	}
}

// odd is text that programs may write and that the fast decoder must read right
// or leave to encoding/json.
var odd = []string{
	`{}`, ` { } `, `[]`, `null`, `1`, ``, `{`, `{}x`, `{"ociVersion":"1.0","ociVersion":"2.0"}`,
	`{"OCIVersion":"1"}`, `{"process":null,"linux":{"namespaces":null,"maskedPaths":[null,"a"]}}`,
	`{"process":{"user":{"uid":1e2}}}`, `{"process":{"user":{"uid":-1}}}`, `{"process":{"user":{"uid":4294967296}}}`, `{"process":{"user":{"uid":01}}}`,
	`{"process":{"args":["\u00e9\ud83d\ude00\n\/"],"env":[],"cwd":"` + "\xff" + `"}}`,
	`{"x":{"y":[1.5e3,true,false,null,{"z":"\"}"}]},"hostname":"h"}`, `{"hostname":"a",}`, `{"hostname":"a" "x":1}`, `{"mounts":[{},]}`,
	`{"annotations":{"a":"1","a":"2"},"linux":{"sysctl":{}}}`, `{"linux":{"resources":{"memory":{"limit":-9223372036854775808,"swap":9223372036854775807}}}}`,
	`{"windows":{"credentialSpec":{"a":[1]}}}`, `{"process":{"terminal":"true"}}`, "{\"hostname\":\"a\x00\"}", "{\"hostname\":\"\u2028\"}", `{"hoſtname":"a"}`,
	`{"linux":{"rootfsPropagation":"a","resources":{"blockIO":{"weightDevice":[{"major":1,"minor":2,"weight":3}]}}}}`,
}

func TestOddTextIsReadAsByTheStandardLibrary(t *testing.T) {
	for _, s := range odd {
		agree(t, []byte(s))
	}
}

func TestStateComesBack(t *testing.T) {
	want := State{"a\"\\\x01", 7, 1 << 40, "boot", "/b/\u00e9\n", time.Unix(1, 5).UTC(), "0", "/c"}
	b := want.Append(nil)
	var std State
	if err := json.Unmarshal(b, &std); err != nil || std != want {
		t.Fatalf("%s: %v %+v", b, err, std)
	}
	if got, err := ReadState(b); err != nil || *got != want {
		t.Fatalf("%v %+v", err, got)
	}
	if _, err := ReadState([]byte(`{"id":`)); err == nil {
		t.Error("half a state passes for a whole one")
	}
}

func FuzzSpec(f *testing.F) {
	f.Add(filled(f))
	for _, s := range odd {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { agree(t, b) })
}

func BenchmarkSpec(b *testing.B) {
	raw := filled(b)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := Spec(raw); err != nil {
			b.Fatal(err)
		}
	}
}
