package labapi

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/layerlab/layerlab/imagecore"
)

func TestAHeldUploadIsNotReadUntilItMayGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u receiving
		if err := u.hold("a", true); !errors.Is(err, imagecore.ErrNotFound) {
			t.Error(err)
		}
		r, end := u.read(t.Context(), "a", strings.NewReader("archive"))
		if plain, _ := u.read(t.Context(), "a", strings.NewReader("other")); plain == r {
			t.Error("a second upload of the same name could hold the first")
		}
		for range 2 { // to ask twice changes nothing
			if err := u.hold("a", true); err != nil {
				t.Fatal(err)
			}
		}
		got := make(chan string)
		read := func() {
			b, err := io.ReadAll(r)
			got <- string(b)
			if err != nil {
				t.Error(err)
			}
		}
		go read()
		synctest.Wait()
		select {
		case s := <-got:
			t.Errorf("read %q while held", s)
		default:
		}
		if err := errors.Join(u.hold("a", false), u.hold("a", false)); err != nil {
			t.Fatal(err)
		}
		if s := <-got; s != "archive" {
			t.Errorf("read %q", s)
		}
		end()
		if err := u.hold("a", true); !errors.Is(err, imagecore.ErrNotFound) {
			t.Errorf("one that was received can be held: %v", err)
		}
	})
}

func TestAHoldEndsWithItsRequestAndByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u receiving
		ctx, cancel := context.WithCancel(t.Context())
		gone, _ := u.read(ctx, "gone", strings.NewReader("x"))
		long, _ := u.read(t.Context(), "long", strings.NewReader("x"))
		if err := errors.Join(u.hold("gone", true), u.hold("long", true)); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := gone.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		began := time.Now()
		if n, err := long.Read(make([]byte, 1)); n != 1 || err != nil || time.Since(began) != longestHold {
			t.Error(n, err, time.Since(began))
		}
	})
}
