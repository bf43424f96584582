package tarsum_test

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/audit/tarsum"
)

// write makes a tar of one file.
func write(t *testing.T, h tar.Header, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	h.Size = int64(len(content))
	if err := w.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The sums that Docker's own tests want of the same tars (tarsum_test.go,
// TestIteration and TestTarSums).
func TestSumsAreDockers(t *testing.T) {
	person := tar.Header{Name: "xattrs.txt", Uid: 1000, Gid: 1000, Uname: "slartibartfast", Gname: "users", Typeflag: tar.TypeReg}
	attributes := func(kv ...string) tar.Header {
		h := person
		h.PAXRecords = map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			h.PAXRecords["SCHILY.xattr."+kv[i]] = kv[i+1]
		}
		return h
	}
	another := person
	another.Name = "another.txt"
	for _, c := range []struct {
		name    string
		header  tar.Header
		content string
		want    string
	}{
		{"version 0", tar.Header{Name: "file.txt", Typeflag: tar.TypeReg}, "", "tarsum+sha256:626c4a2e9a467d65c33ae81f7f3dedd4de8ccaee72af73223c4bc4718cbc7bbd"},
		{"version 1", tar.Header{Name: "file.txt", Typeflag: tar.TypeReg}, "", "tarsum.dev+sha256:6ffd43a1573a9913325b4918e124ee982a99c0f3cba90fc032a65f5e20bdd465"},
		{"owner and content", another, "test", "tarsum.dev+sha256:b38166c059e11fb77bef30bf16fba7584446e80fcc156ff46d47e36c5305d8ef"},
		{"extended attributes", attributes("user.key1", "value1", "user.key2", "value2"), "test", "tarsum.dev+sha256:4cc2e71ac5d31833ab2be9b4f7842a14ce595ec96a37af4ed08f87bc374228cd"},
		{"capital letters in them", attributes("user.KEY1", "value1", "user.key2", "value2"), "test", "tarsum.dev+sha256:65f4284fa32c0d4112dd93c3637697805866415b570587e4fd266af241503760"},
		{"none of them in version 0", attributes("user.NOT", "CALCULATED"), "test", "tarsum+sha256:c12bb6f1303a9ddbf4576c52da74973c00d14c109bcfa76b708d5da1154a07fa"},
		{"a megabyte of zeros", tar.Header{Name: "/testdata0", Mode: 0o755, Typeflag: tar.TypeReg}, strings.Repeat("\x00", 1<<20), "tarsum+sha256:75258b2c5dcd9adfe24ce71eeca5fc5019c7e669912f15703ede92b1a60cb11f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, _, ok := tarsum.Parse(c.want)
			if !ok {
				t.Fatal("not a checksum")
			}
			got, err := tarsum.Sum(bytes.NewReader(write(t, c.header, c.content)), v, nil, imagecore.DefaultLimits())
			if err != nil || got != c.want {
				t.Errorf("got %s, %v; want %s", got, err, c.want)
			}
		})
	}
}

func TestTwoEntriesOfOneNameKeepTheirOrder(t *testing.T) {
	dir := os.Getenv("LAYERLAB_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "images")
	}
	for name, want := range map[string]string{
		"moby-collision-0.tar": "tarsum+sha256:08653904a68d3ab5c59e65ef58c49c1581caa3c34744f8d354b3f575ea04424a",
		"moby-collision-1.tar": "tarsum+sha256:b51c13fbefe158b5ce420d2b930eef54c5cd55c50a2ee4abdddea8fa9f081e0d",
	} {
		raw, err := os.ReadFile(filepath.Join(dir, "layers", name))
		if err != nil {
			t.Skipf("no corpus of images: %v", err)
		}
		got, err := tarsum.Sum(bytes.NewReader(raw), tarsum.V0, nil, imagecore.DefaultLimits())
		if err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", name, got, err, want)
		}
	}
}

func TestTimesCountInVersion0Only(t *testing.T) {
	old := write(t, tar.Header{Name: "a", Typeflag: tar.TypeReg}, "x")
	young := write(t, tar.Header{Name: "a", Typeflag: tar.TypeReg, ModTime: time.Unix(1700000000, 0)}, "x")
	for v, same := range map[tarsum.Version]bool{tarsum.V0: false, tarsum.V1: true} {
		a, err := tarsum.Sum(bytes.NewReader(old), v, nil, imagecore.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		b, err := tarsum.Sum(bytes.NewReader(young), v, nil, imagecore.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		if (a == b) != same {
			t.Errorf("%s: %s and %s", v, a, b)
		}
	}
}

func TestRefusals(t *testing.T) {
	limits := imagecore.DefaultLimits()
	limits.Entries = 0
	if _, err := tarsum.Sum(bytes.NewReader(write(t, tar.Header{Name: "a"}, "x")), tarsum.V1, nil, limits); err == nil {
		t.Error("a tar beyond the limit has a sum")
	}
	if _, err := tarsum.Sum(strings.NewReader(strings.Repeat("nonsense", 100)), tarsum.V1, nil, imagecore.DefaultLimits()); err == nil {
		t.Error("nonsense has a sum")
	}
	for _, text := range []string{"", "sha256:ab", "tarsum+md5:0d7529ec7a8360155b48134b8e599f53", "tarsum.v2+sha256:" + strings.Repeat("a", 64), "tarsum+sha256:zz"} {
		if _, _, ok := tarsum.Parse(text); ok {
			t.Errorf("%q is taken for a checksum", text)
		}
	}
}
