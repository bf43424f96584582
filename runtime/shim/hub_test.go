//go:build linux

package shim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/layerlab/layerlab/imagecore/fault"
)

func joined(chunks []chunk) string {
	var b strings.Builder
	for _, c := range chunks {
		b.Write(c.Data)
	}
	return b.String()
}

func TestRingKeepsTheLastBytesAndBeginsAtALine(t *testing.T) {
	var r ring
	var all strings.Builder
	for i := range 40000 {
		line := fmt.Sprintf("line %d\n", i)
		all.WriteString(line)
		r.add(1, []byte(line))
	}
	got := joined(r.replay())
	if !strings.HasSuffix(all.String(), got) || !strings.HasPrefix(got, "line ") {
		t.Fatalf("replay begins with %q and is no tail", got[:20])
	}
	if len(got) > ReplaySize || len(got) < ReplaySize-20 {
		t.Errorf("%d bytes kept, want about %d", len(got), ReplaySize)
	}
	if r.size != len(got) && r.size-len(got) > 20 {
		t.Errorf("size %d for %d bytes", r.size, len(got))
	}
}

func TestRingTakesOneHugeWriteAndByteByByte(t *testing.T) {
	var r ring
	r.add(1, bytes.Repeat([]byte("x"), 3*ReplaySize))
	if n := len(joined(r.replay())); n != ReplaySize {
		t.Errorf("%d bytes of a huge write", n)
	}
	for range 2 * ReplaySize {
		r.add(2, []byte("y"))
	}
	if n := len(r.chunks); n > 2*ReplaySize/minChunk {
		t.Errorf("%d chunks for single bytes", n)
	}
	if got := joined(r.replay()); strings.Trim(got, "y") != "" || len(got) != ReplaySize {
		t.Errorf("%d bytes, not all the last", len(got))
	}
}

func TestRingKeepsStreamsInOrder(t *testing.T) {
	var r ring
	r.add(1, []byte("a"))
	r.add(2, []byte("b"))
	r.add(1, []byte("c"))
	var got string
	for _, c := range r.replay() {
		got += fmt.Sprint(c.Stream, string(c.Data), " ")
	}
	if got != "1a 2b 1c " {
		t.Errorf("got %q", got)
	}
}

// drain decodes what a viewer has been sent.
func drain(t *testing.T, v *viewer) (data string, last byte) {
	t.Helper()
	for {
		frames, over := v.next(nil)
		r := bytes.NewReader(bytes.Join(frames, nil))
		for {
			f, err := readFrame(r)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			last = f.Type
			data += string(f.Payload[:len(f.Payload)*int(b2i(f.Type == frameData))])
		}
		if over {
			return data, last
		}
	}
}

func b2i(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func TestAViewerGetsReplayThenLiveThenTheExit(t *testing.T) {
	h := newHub(nil, false)
	h.publish(1, []byte("before "))
	v, replay := h.join()
	if replay != 7 {
		t.Errorf("replay of %d bytes, want 7", replay)
	}
	h.publish(1, []byte("live"))
	h.end(&Exit{Code: 3})
	if got, last := drain(t, v); got != "before live" || last != frameExit {
		t.Errorf("got %q, then a frame of type %d", got, last)
	}
	late, replay := h.join()
	if got, last := drain(t, late); got != "before live" || replay != 11 || last != frameExit {
		t.Errorf("late: %q, replay %d, last %d", got, replay, last)
	}
}

// TestATerminalRunsAheadOfItsViewerByLittle counts what a program may write
// before a viewer that takes nothing holds it back.
func TestATerminalRunsAheadOfItsViewerByLittle(t *testing.T) {
	for tty, most := range map[bool]int{false: viewerQueue, true: terminalQueue} {
		synctest.Test(t, func(t *testing.T) {
			h := newHub(nil, tty)
			h.join()
			begin, ahead := time.Now(), 0
			for piece := bytes.Repeat([]byte("x"), 4<<10); time.Since(begin) == 0; ahead += len(piece) {
				h.publish(1, piece)
			}
			if ahead < most*9/10 || ahead > most+4<<10 {
				t.Errorf("tty %v: %d bytes were written, want about %d", tty, ahead, most)
			}
		})
	}
}

func TestASlowViewerHoldsBackForTwoSecondsAndIsThenDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(nil, false)
		slow, _ := h.join()
		begin := time.Now()
		piece := bytes.Repeat([]byte("x"), 32<<10)
		for range 2 * viewerQueue / len(piece) {
			h.publish(1, piece)
		}
		if took := time.Since(begin); took != viewerStall {
			t.Errorf("held back for %v, want %v", took, viewerStall)
		}
		if _, last := drain(t, slow); last != frameSlow {
			t.Errorf("its last frame is of type %d, want slow", last)
		}
		begin = time.Now()
		h.publish(1, piece)
		if took := time.Since(begin); took != 0 {
			t.Errorf("a dropped viewer still holds back for %v", took)
		}
	})
}

func TestAViewerThatReadsSlowlyLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(nil, false)
		v, _ := h.join()
		const pieces = 200
		piece := bytes.Repeat([]byte("x"), 32<<10)
		go func() {
			for range pieces {
				h.publish(1, piece)
			}
			h.end(&Exit{})
		}()
		n := 0
		for over := false; !over; {
			time.Sleep(viewerStall / 2) // of the bubble's clock
			var frames [][]byte
			frames, over = v.next(nil)
			for _, f := range frames {
				if f[0] == frameData {
					n += len(f) - headerSize
				}
			}
		}
		if n != pieces*len(piece) {
			t.Errorf("%d bytes of %d", n, pieces*len(piece))
		}
	})
}

func TestAViewerThatGoesWakesTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(nil, false)
		v, _ := h.join()
		begin := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 2 {
				h.publish(1, bytes.Repeat([]byte("x"), viewerQueue-headerSize))
			}
		}()
		synctest.Wait()
		v.abandon()
		<-done
		if took := time.Since(begin); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

func TestExitRecordIsWholeAndReadBack(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "exit.json")
	if _, err := ReadExit(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent record: %v", err)
	}
	want := &Exit{Code: 139, Signal: 11, StartedAt: time.Unix(1, 0).UTC(), At: time.Unix(2, 3).UTC()}
	if err := writeExit(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadExit(path)
	if err != nil || *got != *want {
		t.Errorf("got %+v, %v", got, err)
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 1 {
		t.Errorf("left beside: %v", left)
	}
}

func TestAFailureKeepsKindCodeAndArgs(t *testing.T) {
	err := fmt.Errorf("create: %w", fault.New(fault.ErrNotFound, "command-not-found", `no "x"`, "command", "x"))
	f := failure(err)
	var back Failure
	b, _ := json.Marshal(f)
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	var e *fault.Error
	if !errors.As(back.Err(), &e) || e.Code != "command-not-found" || e.Args["command"] != "x" ||
		!errors.Is(e, fault.ErrNotFound) || e.Message != err.Error() {
		t.Errorf("got %#v", e)
	}
	if f := failure(io.ErrShortWrite); f.Code != CodeFailed || f.Kind != "host" {
		t.Errorf("plain error: %+v", f)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add(encodeFrame(frameData, 1, []byte("hello")))
	f.Add([]byte{frameData, 1, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, err := readFrame(bytes.NewReader(b))
		if err != nil {
			return
		}
		if again := encodeFrame(fr.Type, fr.Stream, fr.Payload); !bytes.HasPrefix(b[4:], again[4:]) || again[0] != b[0] || again[1] != b[1] {
			t.Errorf("%x became %x", b, again)
		}
	})
}
