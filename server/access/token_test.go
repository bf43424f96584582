package access

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/imagecore"
)

type bucket struct{ db *bolt.DB }

func (b bucket) Update(fn func(*bolt.Bucket) error) error {
	return b.db.Update(func(tx *bolt.Tx) error {
		k, err := tx.CreateBucketIfNotExists([]byte("sessions"))
		if err != nil {
			return err
		}
		return fn(k)
	})
}

func (b bucket) View(fn func(*bolt.Bucket) error) error {
	return b.db.View(func(tx *bolt.Tx) error {
		if k := tx.Bucket([]byte("sessions")); k != nil {
			return fn(k)
		}
		return nil
	})
}

func readAll(path string) ([]byte, error) { return os.ReadFile(path) }

func TestTokenIsMadeOnceAndReadableByNobodyElse(t *testing.T) {
	dir := t.TempDir()
	first, explicit, err := Token(dir, "", "")
	if err != nil || explicit || len(first) < 26 {
		t.Fatalf("%q %v %v", first, explicit, err)
	}
	info, err := os.Stat(filepath.Join(dir, "token"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if again, _, err := Token(dir, "", ""); err != nil || again != first {
		t.Errorf("second start: %q, %v", again, err)
	}
	if given, explicit, err := Token(dir, "given by the user", "/nowhere"); err != nil || !explicit || given != "given by the user" {
		t.Errorf("given: %q %v %v", given, explicit, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestTokenFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t")
	if _, _, err := Token("", "", path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if err := os.WriteFile(path, []byte(" from a file \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, explicit, err := Token("", "", path); err != nil || !explicit || got != "from a file" {
		t.Errorf("%q %v %v", got, explicit, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Token("", "", path); !errors.Is(err, imagecore.ErrHost) {
		t.Errorf("readable by others: %v", err)
	}
	if err := errors.Join(os.Truncate(path, 0), os.Chmod(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Token("", "", path); !errors.Is(err, imagecore.ErrInvalid) {
		t.Errorf("empty: %v", err)
	}
}

func TestShortTokensAreRefused(t *testing.T) {
	if _, err := New(Config{Token: "secret"}); err == nil {
		t.Error("a short token")
	}
}

func TestOtherAddressesThanLoopbackNeedTokenAndTLS(t *testing.T) {
	for _, c := range []struct {
		address              string
		explicit, tls, proxy bool
		ok                   bool
	}{
		{"127.0.0.1:8080", false, false, false, true},
		{"127.9.9.9:0", false, false, false, true},
		{"localhost:8080", false, false, false, true},
		{"[::1]:8080", false, false, false, true},
		{":8080", false, false, false, false},
		{"0.0.0.0:8080", false, false, false, false},
		{"0.0.0.0:8080", true, false, false, false},
		{"0.0.0.0:8080", false, true, false, false},
		{"0.0.0.0:8080", true, true, false, true},
		{"192.0.2.1:8080", true, false, true, true},
		{"[::]:8080", false, false, true, false},
		{"8080", true, true, true, false},
	} {
		if err := CheckListen(c.address, c.explicit, c.tls, c.proxy); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
