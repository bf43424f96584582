//go:build wasip1

// Command imagecore-wasm is imagecore as a WebAssembly module, for the page's
// worker and for the sandbox. Package sandbox/guest describes its binary
// interface and does the work; here are only its imports and exports.
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o imagecore.wasm ./cmd/imagecore-wasm
package main

import (
	"errors"
	"io"
	"runtime"
	"unsafe"

	"github.com/layerlab/layerlab/sandbox/guest"
)

//go:wasmimport layerlab read_at
func hostReadAt(handle int32, offset int64, ptr unsafe.Pointer, n int32) int32

//go:wasmimport layerlab emit
func hostEmit(kind int32, ptr unsafe.Pointer, n int32)

//go:wasmimport layerlab tick
func hostTick(done, total int64) int32

// A module instance is one guest: its exports have no receiver to keep state in.
var (
	instance = guest.New(host{})
	request  []byte
)

//go:wasmexport alloc
func alloc(n int32) unsafe.Pointer {
	if n <= 0 {
		return nil
	}
	request = make([]byte, n)
	return unsafe.Pointer(unsafe.SliceData(request))
}

//go:wasmexport run
func run(ptr unsafe.Pointer, n int32) int32 {
	// Only what alloc returned is memory that the garbage collector knows.
	if len(request) == 0 || ptr != unsafe.Pointer(unsafe.SliceData(request)) || n < 0 || int(n) > len(request) {
		return instance.Run(nil)
	}
	status := instance.Run(request[:n])
	runtime.KeepAlive(request)
	return status
}

var errHost = errors.New("the host could not read the archive")

// host is the other side of the imports.
type host struct{}

func (host) ReadAt(handle int32, p []byte, offset int64) (int, error) {
	done := 0
	for done < len(p) {
		rest := p[done:]
		n := hostReadAt(handle, offset+int64(done), unsafe.Pointer(unsafe.SliceData(rest)), int32(len(rest)))
		switch {
		case n < 0 || int(n) > len(rest):
			return done, errHost
		case n == 0:
			return done, io.EOF
		}
		done += int(n)
	}
	return done, nil
}

func (host) Emit(kind guest.Kind, p []byte) {
	hostEmit(int32(kind), unsafe.Pointer(unsafe.SliceData(p)), int32(len(p)))
}

func (host) Tick(done, total int64) bool { return hostTick(done, total) != 0 }

// main is required of package main; a reactor never runs it.
func main() {}
