// Package confine makes processes of layerlab that do one dangerous thing and
// can do nothing else: unpack what an archive holds, touch what a container
// owns.
//
//	Command → a process of layerlab-runtime, perhaps in a user namespace → Enter a folder → Self → the one thing
//
// The program that runs is a sealed copy of our own (sealed.Copy), never one of
// the image; once Self has returned nothing else can be executed, connected to
// or mounted, and no privilege is there but those that Rules name.
//
// It is no sandbox for foreign code: what runs here is ours, on bytes and in
// folders that are not.
//
// Sources: seccomp(2), capabilities(7), user_namespaces(7).
package confine
