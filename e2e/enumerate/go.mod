// A third party's enumerator of containers, pinned apart from the main module:
// its libraries are of 2018. It tries every system call with zeros: never run it
// outside of a container.
module github.com/layerlab/layerlab/e2e/enumerate

go 1.26.0

tool github.com/genuinetools/amicontained

require (
	github.com/genuinetools/amicontained v0.4.9 // indirect
	github.com/genuinetools/pkg v0.0.0-20180910213200-1c141f661797 // indirect
	github.com/jessfraz/bpfd v0.0.0-20180918065159-854869239e70 // indirect
	github.com/sirupsen/logrus v1.9.3 // indirect
	github.com/syndtr/gocapability v0.0.0-20180916011248-d98352740cb2 // indirect
	github.com/tv42/httpunix v0.0.0-20150427012821-b75d8614f926 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
