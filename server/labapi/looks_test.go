package labapi_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/audit/account"
	"github.com/layerlab/layerlab/imagecore/elf"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// fakeLooks knows every file but "etc/y".
type fakeLooks struct{}

func (fakeLooks) Account(_ context.Context, _ string, compare bool) (*account.Account, error) {
	return &account.Account{Pass: true, Compared: compare}, nil
}

func (fakeLooks) ContainerIndex(_ context.Context, _ string, lens tree.Lens) ([]byte, error) {
	return []byte("index " + lens), nil
}

func (fakeLooks) ContainerFile(_ context.Context, _, path string) (io.ReadCloser, error) {
	if path == "etc/y" {
		return nil, imagecore.NewError(imagecore.ErrNotFound, "path-not-found", "no file")
	}
	return io.NopCloser(strings.NewReader("0123456789")), nil
}

func TestLookRoutes(t *testing.T) {
	b := setUp(t)
	for _, c := range []struct {
		path   string
		status int
		body   string
	}{
		{"/images/a/elf?layer=3&path=bin%2Fsh", 200, `"machine":"bin/sh"`},
		{"/images/a/elf?layer=3&path=etc%2Fy", 415, "not-elf"},
		{"/images/a/elf?path=bin%2Fsh", 400, "bad-request"},
		{"/images/a/account", 200, `"compared":false`},
		{"/images/a/account?contents=1", 200, `"compared":true`},
		{"/containers/c/index", 200, "index spec"},
		{"/containers/c/index?lens=umoci", 200, "index umoci"},
		{"/containers/c/index?lens=mine", 400, "unknown-lens"},
		{"/containers/c/content?path=etc/x&offset=3&size=4", 200, "3456"},
		{"/containers/c/content?path=etc/x&offset=30&size=4", 404, "content-outside"},
		{"/containers/c/content?path=etc/y&offset=0&size=4", 404, "path-not-found"},
		{"/containers/c/content?path=etc/x&offset=-1&size=4", 400, "bad-request"},
	} {
		w := b.do(http.MethodGet, c.path, "")
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.body) {
			t.Errorf("%s: %d %s", c.path, w.Code, w.Body)
		}
	}
}

func (fakeLooks) ELF(_ context.Context, _ string, layer int, path string) (*elf.Binary, error) {
	if path == "etc/y" {
		return nil, imagecore.NewError(imagecore.ErrUnsupported, "not-elf", "not an ELF file")
	}
	return &elf.Binary{Bits: 64, Machine: path, Parts: layer}, nil
}
