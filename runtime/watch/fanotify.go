//go:build linux

package watch

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// event is one that fanotify told of.
type event struct {
	pid    int
	pidfd  int // -1 where the process has been waited for; who has the event closes it
	kind   int32
	handle []byte // of the folder; nil where it names none
	name   string // in the folder, "." for itself
}

// Kinds of the records behind an event (linux/fanotify.h).
const (
	infoDfidName = 2
	infoPidfd    = 4
)

// parse reads what a read(2) of a fanotify group returned; the handles lie in b.
//
//	event_len u32 · vers u8 · - u8 · metadata_len u16 · mask u64 · fd s32 · pid s32
//	  then records: type u8 · - u8 · len u16 ·
//	    2: fsid 8 · handle_bytes u32 · handle_type s32 · handle · name, a zero byte
//	    4: pidfd s32
func parse(b []byte) (list []event) {
	const head, record = 24, 4
	for len(b) >= head {
		size := int(binary.NativeEndian.Uint32(b))
		first := int(binary.NativeEndian.Uint16(b[6:]))
		if size < head || size > len(b) || first < head || first > size || b[4] != unix.FANOTIFY_METADATA_VERSION {
			return list
		}
		e := event{pid: int(int32(binary.NativeEndian.Uint32(b[20:]))), pidfd: -1}
		for r := b[first:size]; len(r) >= record; {
			n := int(binary.NativeEndian.Uint16(r[2:]))
			if n < record || n > len(r) {
				break
			}
			switch body := r[record:n]; r[0] {
			case infoDfidName:
				e.place(body)
			case infoPidfd:
				if len(body) >= 4 {
					e.pidfd = int(int32(binary.NativeEndian.Uint32(body)))
				}
			}
			r = r[n:]
		}
		list = append(list, e)
		b = b[size:]
	}
	return list
}

// place reads where an event happened.
func (e *event) place(b []byte) {
	const fsid, head = 8, 16
	if len(b) < head {
		return
	}
	n := int(binary.NativeEndian.Uint32(b[fsid:]))
	if n > len(b)-head {
		return
	}
	e.kind = int32(binary.NativeEndian.Uint32(b[fsid+4:]))
	e.handle = b[head : head+n]
	name, _, _ := bytes.Cut(b[head+n:], []byte{0})
	e.name = string(name)
}
