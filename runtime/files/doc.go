// Package files reads and writes files of a container for the server: what
// docker cp needs, both ways.
//
//	Container.Read ─ start ─▶ layerlab-runtime files: Enter the container's root, Self ─ tar on a pipe ─▶ caller
//	Container.Write ─ tar ──▶ the same, the other way
//
// A container is hostile: while a copy goes on it may swap any folder for a
// link (CVE-2018-15664), also one that is just being made (CVE-2024-45310), and
// it may have put libraries where programs look for them (CVE-2019-14271). So
// nothing here takes a path twice: each is opened once, by openat2(2) with
// RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS beneath the container's root, and
// what follows goes by descriptors. It happens in a process of its own, which
// has the container's id maps and so no more rights than the container's root,
// which has that root for its own, and which can no longer execute anything.
//
// The process needs no other namespace of the container: a descriptor of its
// root leads across the container's mounts, and the container cannot see or
// trace a process outside of its PID namespace.
package files
