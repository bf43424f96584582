// Package interop holds tests that let podman, containerd and Docker run
// containers with layerlab-runtime. They need root and those programs, so they
// have a build tag of their own; "make test-interop" installs and runs.
//
// Every engine keeps its data below the test's temporary folder, and only
// processes that a test started are ended, by their id.
package interop
