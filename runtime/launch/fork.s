// Functions without a body in fork.go are the runtime's, bound by go:linkname;
// the compiler accepts them where a package has an assembly file.
