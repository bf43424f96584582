package viewer

import (
	"bytes"
	"testing"
)

func TestDetachKeysAreHeldBackUntilTheyAreSure(t *testing.T) {
	keys, err := Keys("")
	if err != nil || !bytes.Equal(keys, []byte{0x10, 0x11}) {
		t.Fatal(keys, err)
	}
	out, held, gone := withoutKeys([]byte("a\x10"), keys, 0)
	if string(out) != "a" || held != 1 || gone {
		t.Errorf("%q %d %v", out, held, gone)
	}
	if out, held, _ = withoutKeys([]byte("b"), keys, held); string(out) != "\x10b" || held != 0 {
		t.Errorf("%q %d", out, held)
	}
	if _, _, gone = withoutKeys([]byte("\x10\x10\x11"), keys, 0); !gone {
		t.Error("not detached")
	}
	if _, err := Keys("ctrl-1"); err == nil {
		t.Error("ctrl-1 is taken")
	}
}
